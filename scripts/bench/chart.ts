/** The picture of a run: a bar a build and measure, scaled within its unit, with a line from the lowest to the highest round. */
import { number, type Report } from './report.ts';
import type { Measured, Result } from './rounds.ts';

const WIDTH = 960;
const LABEL = 270;
const VALUE = 150;
const BAR = 16;
const GAP = 10;
const COLOURS = ['#2563a8', '#b0b7c0'];
const BAR_SPACE = WIDTH - LABEL - VALUE - 2 * GAP;

export function reportChart(report: Report): string {
  const rows: string[] = [];
  let y = 46;
  for (const unit of ['/s', 'µs', 'ms', 'MB'] as const) {
    const group = report.measured.filter(({ measure }) => measure.unit === unit);
    if (group.length === 0) continue;
    rows.push(text(GAP, y + 4, unit === '/s' ? 'per second, more is better' : `${unit}, less is better`, 'heading'));
    y += 18;
    const most = Math.max(...group.flatMap(({ results }) => [...results.values()].map(highestOf)), Number.MIN_VALUE);
    for (const measured of group) {
      const bars = barsOf(measured, y, most);
      rows.push(...bars.shapes);
      y = bars.y;
    }
    y += GAP;
  }
  const title = `ScaiVault ${report.revision}${report.against === null ? '' : ` (dark) and ${report.against} (light)`}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + GAP}" viewBox="0 0 ${WIDTH} ${y + GAP}">`,
    '<style>text{font:13px system-ui,sans-serif;fill:#222}.heading{font-weight:600}.title{font-size:15px;font-weight:600}</style>',
    '<rect width="100%" height="100%" fill="#fff"/>',
    text(GAP, 24, title, 'title'),
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

const highestOf = ({ samples, highest }: Result): number => (samples.length === 0 ? 0 : highest);

function barsOf({ measure, results }: Measured, top: number, most: number): { shapes: string[]; y: number } {
  const shapes = [text(GAP, top + BAR - 3, measure.title)];
  let y = top;
  for (const [at, result] of [...results.values()].entries()) {
    if (result.samples.length === 0) {
      shapes.push(text(LABEL + GAP, y + BAR - 3, 'not measured'));
    } else {
      const across = (value: number) => ((BAR_SPACE * value) / most).toFixed(1);
      const middle = y + BAR / 2;
      const [low, high] = [result.lowest, result.highest].map((value) => (LABEL + Number(across(value))).toFixed(1));
      shapes.push(
        `<rect x="${LABEL}" y="${y}" width="${across(result.median)}" height="${BAR}" fill="${COLOURS[at] ?? COLOURS[0]}"/>`,
        `<line x1="${low}" x2="${high}" y1="${middle}" y2="${middle}" stroke="#111" stroke-width="1.5"/>`,
        text(Number(high) + GAP, y + BAR - 3, `${number(result.median)} ${measure.unit}`),
      );
    }
    y += BAR + 2;
  }
  return { shapes, y: y + GAP - 4 };
}

function text(x: number, y: number, content: string, kind?: string): string {
  const escaped = content.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<text x="${x.toFixed(0)}" y="${y}"${kind === undefined ? '' : ` class="${kind}"`}>${escaped}</text>`;
}
