import { existsSync } from 'node:fs';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/*
 * A user's module gets its objects from Nakama's official declarations (nakama-runtime, a git dependency that is not on
 * the registry) and passes them to ours. NAKAMA_RUNTIME_DTS names a copy of index.d.ts; without it only our own side is
 * checked.
 */
const official = process.env['NAKAMA_RUNTIME_DTS'];
const ours = path.resolve(import.meta.dirname, '../../src/nakama/runtime');

/** The compiler's complaints about a program of one file. */
function complaints(program: string, reference: string | undefined): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'types-'));
  try {
    const file = path.join(folder, 'user.ts');
    writeFileSync(file, (reference ? `/// <reference path="${reference}" />\n` : '') + program);
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2020,
      lib: ['lib.es2019.d.ts'],
      types: [],
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
    };
    return ts
      .getPreEmitDiagnostics(ts.createProgram([file], options))
      .map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const types = `import type * as ours from '${ours}';\n`;

describe('our declarations of the runtime', () => {
  it('are declarations that compile, and refuse what is none', () => {
    expect(complaints(`${types}export const take = (nk: ours.Nakama): string => nk.uuidv4();`, undefined)).toEqual([]);
    expect(complaints(`${types}export const take = (nk: ours.Nakama): number => nk.uuidv4();`, undefined)).toHaveLength(
      1,
    );
  });

  if (official && existsSync(official)) {
    it.each(['Context', 'Logger', 'Nakama', 'Initializer', 'MatchmakerResult', 'Presence'])(
      'take an official %s',
      (name) => {
        const program = `${types}export const take = (official: nkruntime.${name}): ours.${name} => official;`;
        expect(complaints(program, official)).toEqual([]);
      },
    );
    it('make functions that the official Initializer takes', () => {
      const program = `${types}export function register(
        initializer: nkruntime.Initializer,
        rpc: ours.RpcFunction,
        match: ours.MatchHandler,
      ): void {
        initializer.registerRpc('a', rpc);
        initializer.registerMatch('b', match);
      }`;
      expect(complaints(program, official)).toEqual([]);
    });
    it('make a library for modules that are written with the official ones', () => {
      const program = `import * as gameye from '${path.resolve(import.meta.dirname, '../../src/public')}';
        gameye.configure({
          onMatched(ctx: nkruntime.Context, logger: nkruntime.Logger, nk: nkruntime.Nakama, entries: nkruntime.MatchmakerResult[]) {
            return entries[0]?.properties['mode'] === 'duel' ? { maxPlayers: 4, callback: 'ended' } : false;
          },
          callbacks: {
            ended(ctx: nkruntime.Context, logger: nkruntime.Logger, nk: nkruntime.Nakama, result: gameye.CallbackResult) {
              nk.leaderboardsGetId([result.id]);
            },
          },
          extras: (ctx: nkruntime.Context, logger: nkruntime.Logger, nk: nkruntime.Nakama, { id }: gameye.Instance) => ({ id }),
          onResult(ctx: nkruntime.Context, logger: nkruntime.Logger, nk: nkruntime.Nakama, { user_ids, round }: gameye.ServerResult) {
            for (const userId of user_ids) nk.leaderboardRecordWrite('wins', userId, round ?? '');
          },
          onEnded(ctx: nkruntime.Context, logger: nkruntime.Logger, nk: nkruntime.Nakama, end: gameye.SessionEnd) {
            const reason: gameye.EndReason | undefined = gameye.callingServer(ctx, nk) === end.session_id ? 'gone' : end.reason;
            logger.info('%s', reason);
          },
        });
        const rpc: nkruntime.RpcFunction = (ctx, logger, nk) =>
          gameye.fleetManager(ctx, logger, nk).list().instances.map(({ id }) => id).join();
        export const InitModule: nkruntime.InitModule = (ctx, logger, nk, initializer) => {
          initializer.registerRpc('mine', rpc);
          initializer.registerRpc('fleet_create', gameye.rpcFleetCreate);
          initializer.registerMatchmakerMatched(gameye.gameyeMatchmakerMatched);
          initializer.registerRtBefore('MatchmakerAdd', gameye.gameyeBeforeMatchmakerAdd);
          initializer.registerRtBefore('PartyMatchmakerAdd', gameye.gameyeBeforeMatchmakerAdd);
          initializer.registerMatch('gameye_allocator', {
            matchInit: gameye.allocatorInit,
            matchJoinAttempt: gameye.allocatorJoinAttempt,
            matchJoin: gameye.allocatorJoin,
            matchLeave: gameye.allocatorLeave,
            matchLoop: gameye.allocatorLoop,
            matchTerminate: gameye.allocatorTerminate,
            matchSignal: gameye.allocatorSignal,
          });
          gameye.initializeGameye(ctx, logger, nk, initializer);
        };`;
      expect(complaints(program, official)).toEqual([]);
    });
  }
});
