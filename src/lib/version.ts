import manifest from '../../package.json' with { type: 'json' };

/** Release of this executable, semantic. */
export const VERSION: string = manifest.version;
