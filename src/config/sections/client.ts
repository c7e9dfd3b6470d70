import { filePath, secretText } from '../kinds/basic.ts';
import { partnerId, tenantId } from '../kinds/identity.ts';
import { baseUrl } from '../kinds/network.ts';
import type { Section } from '../variable.ts';

export const CLIENT = {
  SCAIVAULT_URL: { kind: baseUrl, meaning: 'The server to talk to.', example: 'https://vault.example.com' },
  SCAIVAULT_TOKEN: { kind: secretText, secret: true, meaning: 'The token to show.', example: 'TOKEN' },
  SCAIVAULT_TENANT_ID: { kind: tenantId, meaning: 'Another tenant than that of the token.', example: 'tnt_main' },
  SCAIVAULT_PARTNER_ID: { kind: partnerId, meaning: 'Another partner than that of the token.', example: 'ptn_main' },
  SCAIVAULT_CACERT: { kind: filePath, meaning: 'PEM authority of the server.', example: '/etc/scaivault/ca.crt' },
} as const satisfies Section;
