import { choice, secretText, text } from '../kinds/basic.ts';
import { webUrl } from '../kinds/network.ts';
import type { Section } from '../variable.ts';

export const OBJECT_STORAGE = {
  OBJECT_STORAGE_PROVIDER: {
    kind: choice('s3', 'gcs', 'azure_blob', 'minio'),
    meaning: 'Where large artifacts go. Unset: into the database, at most 1 MiB each.',
    example: 's3',
  },
  OBJECT_STORAGE_BUCKET: { kind: text, meaning: 'Bucket or container.', example: 'acme-scaivault' },
  OBJECT_STORAGE_REGION: { kind: text, meaning: '`s3`: region of the bucket.', example: 'eu-central-1' },
  OBJECT_STORAGE_ENDPOINT: {
    kind: webUrl,
    meaning: '`minio` needs it; `azure_blob` too, unless the account name is the access key.',
    example: 'https://minio.internal:9000',
  },
  OBJECT_STORAGE_ACCESS_KEY_ID: {
    kind: text,
    meaning: 'Static credentials: access key, HMAC key or account name. Unset: the standard sign-in of the cloud.',
    example: 'scaivault',
  },
  OBJECT_STORAGE_SECRET_ACCESS_KEY: {
    kind: secretText,
    secret: true,
    meaning: 'With `OBJECT_STORAGE_ACCESS_KEY_ID`.',
    example: 'SECRET',
  },
  OBJECT_STORAGE_PREFIX: { kind: text, meaning: 'Put before the name of every object.', example: 'scaivault/' },
} as const satisfies Section;
