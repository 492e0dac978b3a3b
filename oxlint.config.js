// The house as lint sees it: one list of rooms, each may import only itself and the rooms before it.
export const staircase = [
  'core/',
  'traffic/',
  'models/',
  'orchestration/',
  'database/',
  'monitor/',
  'system.ts',
  'server/',
  'bench/',
  'io.ts',
  'ui/',
  'settings/',
  'commands/',
  'interruptions.ts',
  'cli.ts',
  'main.ts',
]

/** Rooms that take only types from any room but core. */
const typesOnly = ['database/', 'ui/']

/** @param {string} room */
const importOf = (room) => (room.endsWith('/') ? `**/${room}**` : `**/${room}`)
/** @param {string} room */
const filesOf = (room) => (room.endsWith('/') ? `src/${room}**` : `src/${room}`)

/**
 * @param {string} room
 * @param {number} index
 */
function stair(room, index) {
  const patterns = []
  const later = staircase.slice(index + 1)
  if (later.length > 0) {
    patterns.push({ group: later.map(importOf), message: `${room} stands before these rooms in the staircase and may not import them.` })
  }
  if (typesOnly.includes(room)) {
    const earlier = staircase.slice(1, index)
    patterns.push({ group: earlier.map(importOf), allowTypeImports: true, message: `${room} takes only types from rooms other than core.` })
  }
  const rules = { 'no-restricted-imports': ['error', { patterns }] }
  if (index < staircase.indexOf('io.ts')) {
    rules['no-restricted-properties'] = [
      'error',
      { object: 'Date', property: 'now', message: 'Take the time from the injected Clock.' },
      { object: 'Math', property: 'random', message: 'Take numbers from the injected Runtime.' },
      { object: 'performance', property: 'now', message: 'Take the time from the injected Clock.' },
    ]
    rules['no-restricted-globals'] = ['error', 'process', 'setTimeout', 'setInterval', 'performance']
  } else if (room !== 'main.ts') {
    rules['no-restricted-globals'] = ['error', 'process']
  }
  return { files: [filesOf(room)], rules }
}

export default {
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'react'],
  categories: { correctness: 'error', suspicious: 'error' },
  ignorePatterns: ['dist', 'fixtures'],
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': ['error', { checksVoidReturn: false }],
    'typescript/no-unsafe-type-assertion': 'off',
    'no-await-in-loop': 'off',
    'no-shadow': 'off',
    'unicorn/consistent-function-scoping': 'off',
    // fast-check is documented as `fc.property(...)`.
    'import/no-named-as-default-member': 'off',
    // Ports are written with methods, and no method of ours needs its `this`; tsc finds a missing return.
    'typescript/unbound-method': 'off',
    'typescript/consistent-return': 'off',
    'promise/always-return': 'off',
    'no-unmodified-loop-condition': 'off',
    'no-underscore-dangle': ['error', { allow: ['_id'] }],
    'import/no-unassigned-import': 'off',
    'react/react-in-jsx-scope': 'off',
    'eqeqeq': 'error',
    'no-console': 'error',
  },
  overrides: [
    ...staircase.map(stair),
    // A test may start what it tests: real timers, the clock of the machine, a server of its own.
    {
      files: ['src/**/*.test.ts', 'src/**/*.test.tsx', 'src/**/*.testkit.ts', 'benchmarks/**'],
      rules: { 'no-restricted-properties': 'off', 'no-restricted-globals': 'off', 'no-restricted-imports': 'off' },
    },
  ],
}
