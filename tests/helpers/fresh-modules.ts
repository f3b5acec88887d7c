import { vi } from 'vitest';

/*
 * The test files of a worker share its process, because starting one for each file costs a second of the processor. What
 * modules remember (a VM's configuration, its extension, the database's clock) is forgotten between files, as in a new VM.
 */
vi.resetModules();

// Each file's own copy of dev/stack/child.ts listens for the end of the process.
process.setMaxListeners(0);
