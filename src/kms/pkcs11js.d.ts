/**
 * The part of `pkcs11js` that is used here. The package is optional, as it needs a C++ compiler where it is installed;
 * with a declaration of our own the types are the same on all machines.
 */
declare module 'pkcs11js' {
  interface Pkcs11Info {
    readonly libraryDescription: string;
    readonly manufacturerID: string;
    readonly cryptokiVersion: { readonly major: number; readonly minor: number };
  }

  class PKCS11 {
    load(path: string): void;
    C_Initialize(options?: { readonly flags: number }): void;
    C_GetInfo(): Pkcs11Info;
    C_GetSlotList(tokenPresent?: boolean): readonly Buffer[];
    C_Finalize(): void;
    close(): void;
  }

  const pkcs11js: { readonly PKCS11: typeof PKCS11; readonly CKF_OS_LOCKING_OK: number };
  export default pkcs11js;
}
