/** The URL of a server that the test runner provides. @throws with the line to type when the file was run by itself */
export function serverUrl(variable: 'TEST_DATABASE_URL' | 'TEST_REDIS_URL'): string {
  const url = process.env[variable] ?? '';
  if (url === '') {
    const file = process.argv[1]?.replace(`${process.cwd()}/`, '') ?? '';
    throw new Error(`${variable} is not set; the runner provides the servers: make test FILES=${file}`);
  }
  return url;
}
