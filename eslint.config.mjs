import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

// What Nakama's JavaScript engine lacks in one of the supported versions (goja; tried on 3.22.0 to 3.40.0).
const missingGlobals = [
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'console', 'fetch', 'URL', 'URLSearchParams'],
  ...['TextEncoder', 'TextDecoder', 'crypto', 'process', 'Buffer', 'require', 'module', 'global', 'window', 'self'],
  ...['Intl', 'structuredClone', 'WeakRef', 'FinalizationRegistry', 'SharedArrayBuffer', 'Atomics', 'atob', 'btoa'],
  ...['performance', 'AbortController', 'BigInt', 'BigInt64Array', 'BigUint64Array', 'WebAssembly'],
].map((name) => ({ name, message: "Nakama's JavaScript runtime does not have it." }));

const missingSyntax = [
  { selector: ':function[async=true]', message: 'Nothing in the runtime waits for promises.' },
  { selector: 'ForOfStatement[await=true]', message: 'The runtime has no for-await.' },
  { selector: 'ImportExpression', message: 'The runtime has no import().' },
  { selector: 'Literal[bigint]', message: 'BigInt exists from Nakama 3.25 only.' },
  { selector: 'Literal[regex.flags=/[sdv]/]', message: 'These regular expression flags are missing in some versions.' },
  {
    selector: 'Literal[regex.pattern=/\\(\\?<[A-Za-z]/]',
    message: 'Named groups come out undefined before Nakama 3.36.',
  },
  {
    selector: "AssignmentExpression > MemberExpression.left[object.type='ThisExpression'][property.name='name']",
    message: 'Prototypes are frozen: `this.name =` in an Error throws. Declare a field.',
  },
  {
    selector: "CallExpression[callee.property.name='notificationSend']",
    message: 'A database error in it ends the whole Nakama process: use notificationsSend.',
  },
];

export default defineConfig(
  { ignores: ['**/build/', 'dist/', 'node_modules/', '.cache/'] },
  tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './dev/tsconfig.json', './examples/*/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
    },
  },
  {
    files: ['src/**/*.ts', 'examples/own-module/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...missingGlobals],
      'no-restricted-syntax': ['error', ...missingSyntax],
      'no-restricted-imports': ['error', { patterns: ['node:*', '**/dev/**'] }],
    },
  },
  {
    files: ['src/index.ts', 'examples/*/main.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off' },
  },
  {
    files: ['dev/gameye/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['**/src/**'] }] },
  },
);
