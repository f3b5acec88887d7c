import { readFileSync, writeFileSync } from 'node:fs';
import { projectRoot } from '../../dev/stack/paths.ts';
import { RPCS, type Caller, type Rpc } from '../../src/rpc/table.ts';

/*
 * The parts of docs/ that are written from the source. `node --import tsx tests/project/readme-generated.ts` writes them, and
 * so does the test with UPDATE_DOCS=1.
 */

const BEGIN = /<!-- generated from [^\n]* -->\n/;
const END = '<!-- /generated -->';

const CALLERS: { caller: Caller; title: string; words: string }[] = [
  { caller: 'player', title: 'For players', words: 'With their session. Each is about the player who calls.' },
  {
    caller: 'game server',
    title: 'For game servers',
    words:
      'With `NAKAMA_SERVER_TOKEN`, about their own session. Another server calls them with the `http_key`, and then with `id`.',
  },
  { caller: 'server', title: 'For servers and operators', words: 'With the `http_key`.' },
];

/** The reference of all RPCs, by who may call them. */
export function rpcReference(): string {
  return CALLERS.map(({ caller, title, words }) => {
    const rpcs = RPCS.filter((rpc) => rpc.caller === caller).map(describeRpc);
    return `\n### ${title}\n\n${words}\n\n${rpcs.join('\n')}\n`;
  }).join('');
}

function describeRpc({ id, doc }: Rpc): string {
  const [payload = '', answer = ''] = doc
    .split(/ ?→ /)
    .map((part) => part.replace('(#backfill)', '(regions-and-backfill.md#what-does-backfill-do)'));
  return `- **\`${id}\`** takes ${payload.trim() || 'nothing'}. It answers ${answer.trim()}.`;
}

/** A page with its generated part as the source has it now. */
export function withGenerated(text: string): string {
  const begin = BEGIN.exec(text);
  const end = text.indexOf(END);
  if (!begin || end < 0) throw new Error('the page has no generated part');
  return `${text.slice(0, begin.index + begin[0].length)}${rpcReference()}\n${text.slice(end)}`;
}

export const RPC_PAGE = `${projectRoot}/docs/rpc.md`;

export function writeGenerated(): void {
  writeFileSync(RPC_PAGE, withGenerated(readFileSync(RPC_PAGE, 'utf8')));
}

if (process.argv[1]?.endsWith('readme-generated.ts')) writeGenerated();
