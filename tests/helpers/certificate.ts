/**
 * A certificate for 127.0.0.1 that nobody vouches for, and its key; good until 2120. It protects nothing: tests show with it
 * what becomes of a server whose certificate cannot be trusted.
 */
export const UNTRUSTED = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAwoDZK4i+Xyw2XSP
Z4FXn6oNebDx/cp4AwjaBn29WMChRANCAAQ2RVJXbKILzmYinuPRtYA37CSNK0Sk
Q1K2V+0ZmzsiXW7KqEZ9xzamyovEOAYydSJbFHQsv0qCwER4rQV0pmG3
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBLzCB1qADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBHRlc3QwIBcN
MjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMTBHRlc3Qw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ2RVJXbKILzmYinuPRtYA37CSNK0Sk
Q1K2V+0ZmzsiXW7KqEZ9xzamyovEOAYydSJbFHQsv0qCwER4rQV0pmG3oyEwHzAM
BgNVHRMBAf8EAjAAMA8GA1UdEQQIMAaHBH8AAAEwCgYIKoZIzj0EAwIDSAAwRQIg
CsNlghWoEh0AeJLPn6ap7AYhWui+AblI26U/+JoiRe8CIQCE8URYqR1gBoGJUErl
06n+pouFqnElSBjMjczbvQqnwg==
-----END CERTIFICATE-----
`,
};
