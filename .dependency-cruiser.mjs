/*
 * The floors of src/: a room imports only from rooms below its own, and from itself. An import of a type counts as any other.
 * `npx depcruise --config .dependency-cruiser.mjs src dev/gameye`; `npm test` does that as well.
 */
const ROOMS = [
  ...['rpc', 'matchmaker', 'worker', 'supervision', 'operations', 'unity', 'servers', 'players', 'fleet', 'backfill'],
  ...['allocation', 'told', 'extension', 'credentials', 'instances', 'database', 'gameye', 'nakama'],
];
/** Above all rooms: what Nakama or another module loads. Every other file directly in src/ is the ground below all. */
const ENTRY = '^src/(index|public|functions|library|initialize|allocator)\\.ts$';
const GROUND = '^src/(?!(index|public|functions|library|initialize|allocator)\\.ts$)[^/]+\\.ts$';
const room = (name) => `^src/${name}/`;

const floors = ROOMS.map((name, position) => ({
  name: `above-${name}`,
  comment: `${name}/ imports only from rooms below it: from ${ROOMS.slice(position + 1).join(', ')}, and the ground.`,
  severity: 'error',
  from: { path: room(name) },
  to: { path: [ENTRY, ...ROOMS.slice(0, position).map(room)] },
}));

export default {
  forbidden: [
    ...floors,
    {
      name: 'above-ground',
      comment:
        'Other files directly in src/ are used by all rooms, so they import from none: only what types Nakama has.',
      severity: 'error',
      from: { path: GROUND },
      to: { path: '^src/', pathNot: [GROUND, '^src/nakama/runtime\\.d\\.ts$'] },
    },
    {
      name: 'room-without-floor',
      comment: 'A new folder in src/ gets its place in the list of rooms.',
      severity: 'error',
      from: {},
      to: { path: `^src/(?!(${ROOMS.join('|')})/)[^/]+/` },
    },
    {
      name: 'circle',
      comment: 'No file imports itself through others.',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'src-alone',
      comment: 'Nakama runs src/ without Node and without packages.',
      severity: 'error',
      from: { path: '^src/' },
      to: { pathNot: '^src/' },
    },
    {
      name: 'simulator-alone',
      comment: 'The simulator is strict by the official document, and so knows nothing of the module that it tests.',
      severity: 'error',
      from: { path: '^dev/gameye/' },
      to: { path: '^src/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.d.ts', '.mjs', '.js', '.json'] },
  },
};
