import { EXIT } from '../src/contract/exit-codes.ts';

/** A reader that went away (`scaivault config | head -1`) is no defect; a full disk is told. */
export function watchStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      if (stream === process.stdout) process.stderr.write(`scaivault: cannot write its output: ${error.message}\n`);
      process.exit(EXIT.FAILED);
    });
  }
}
