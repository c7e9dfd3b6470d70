import { unwatchFile, watchFile } from 'node:fs';
import type { Server } from 'node:http';
import { createSecureContext, type TlsOptions, type Server as TlsServer } from 'node:tls';
import type { Log } from '../telemetry/log.ts';
import { errorFields } from '../telemetry/log.ts';
import { FileUnusable, readStartupFile } from './startup-files.ts';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsSettings {
  /** Reads the files. @throws FileUnusable */
  options(): TlsOptions;
  /** Loads changed files without dropping connections. @returns what stops it */
  watch(server: Server): () => void;
}

const POLL_MS = 5_000;

function tlsOptions({ certFile, keyFile }: TlsFiles): TlsOptions {
  const options: TlsOptions = {
    cert: readStartupFile('TLS_CERT_FILE', certFile),
    key: readStartupFile('TLS_KEY_FILE', keyFile),
    minVersion: 'TLSv1.2',
  };
  try {
    createSecureContext(options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FileUnusable(`TLS_CERT_FILE and TLS_KEY_FILE are no certificate with its key in PEM (${why}).`, {
      cause: error,
    });
  }
  return options;
}

/** TLS for the listener, 1.2 and 1.3. @param pollMs how often the files are looked at */
export function tlsSettings(files: TlsFiles, log: Log, pollMs: number = POLL_MS): TlsSettings {
  const paths = [files.certFile, files.keyFile];
  return {
    options: () => tlsOptions(files),
    watch: (server) => {
      const reload = () => {
        try {
          (server as unknown as TlsServer).setSecureContext(tlsOptions(files));
          log.info({}, 'TLS files changed and were loaded');
        } catch (error) {
          // Half of a renewal may be written yet: the former certificate serves on.
          log.error(errorFields(error), 'TLS files changed and cannot be loaded; the former ones stay in use');
        }
      };
      for (const path of paths) watchFile(path, { interval: pollMs, persistent: false }, reload);
      return () => {
        for (const path of paths) unwatchFile(path, reload);
      };
    },
  };
}
