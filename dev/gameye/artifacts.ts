import { spawn } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, isAbsolute } from 'node:path';

/**
 * A .tar.gz of a file or folder inside a session's work folder, which stands for the container's root: '/crash.log' is
 * `<folder>/crash.log`. Undefined when there is none, or when it leads out of the folder.
 */
export async function packArtifact(folder: string, path: string): Promise<Buffer | undefined> {
  let root: string;
  let target: string;
  try {
    root = await realpath(folder);
    target = await realpath(join(root, path)); // follows links, so that one to /etc is seen as what it is
  } catch {
    return undefined;
  }
  const inside = relative(root, target);
  if (inside.startsWith('..') || isAbsolute(inside)) return undefined;
  const [parent, name] = inside === '' ? [root, '.'] : [dirname(target), basename(target)];
  return new Promise((resolve, reject) => {
    const tar = spawn('tar', ['-czf', '-', '-C', parent, '--', name], { stdio: ['ignore', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    tar.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    tar.once('error', reject);
    tar.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(chunks));
      else reject(new Error(`tar ended with ${code}`));
    });
  });
}
