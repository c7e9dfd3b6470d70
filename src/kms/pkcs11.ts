import { hasPackageFile } from '../lib/assets.ts';
import { KmsError } from './provider.ts';

/** What a PKCS#11 library says about itself. */
export interface Pkcs11Library {
  readonly description: string;
  readonly manufacturer: string;
  /** Of the interface, as in `2.40`. */
  readonly version: string;
  /** Slots that hold a token. */
  readonly tokens: number;
}

function unusable(message: string, hint: string, cause?: unknown): KmsError {
  return new KmsError('key_state', message, hint, cause);
}

/** The client, with its native addon. Loaded when it is asked for: most installations never need it. @throws KmsError */
async function client() {
  if (!hasPackageFile('pkcs11.node')) {
    throw unusable(
      'this build has no PKCS#11',
      'Use a released executable, or build on a machine with a C++ compiler.',
    );
  }
  try {
    return (await import('pkcs11js')).default;
  } catch (error) {
    const hint = error instanceof Error && 'hint' in error ? String(error.hint) : 'Is libstdc++ installed?';
    throw unusable(`the PKCS#11 client cannot be loaded: ${messageOf(error)}`, hint, error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether the client itself can be loaded here. @throws KmsError when not */
export async function loadPkcs11(): Promise<void> {
  await client();
}

/** Opens a library, asks it what it is, and closes it. Logs in nowhere. @throws KmsError */
export async function describeLibrary(path: string): Promise<Pkcs11Library> {
  const { PKCS11, CKF_OS_LOCKING_OK } = await client();
  const library = new PKCS11();
  try {
    library.load(path);
    library.C_Initialize({ flags: CKF_OS_LOCKING_OK });
    try {
      const { libraryDescription, manufacturerID, cryptokiVersion } = library.C_GetInfo();
      return {
        description: libraryDescription.trim(),
        manufacturer: manufacturerID.trim(),
        version: `${cryptokiVersion.major}.${cryptokiVersion.minor}`,
        tokens: library.C_GetSlotList(true).length,
      };
    } finally {
      library.C_Finalize();
    }
  } catch (error) {
    throw unusable(
      `${path} cannot be used: ${messageOf(error)}`,
      'Check PKCS11_MODULE and what the library needs.',
      error,
    );
  } finally {
    library.close();
  }
}
