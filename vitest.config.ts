import { defineConfig } from 'vitest/config'

// Real mongods and real binaries run here, on machines that are shared: a bound is there to end a hang, not to judge speed.
const bounds = { testTimeout: 60_000, hookTimeout: 180_000 }
/** What measures real time has the machine to itself, after all others. */
const alone = 'src/**/*.alone.test.ts'

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...bounds,
          name: 'together',
          include: ['src/**/*.test.ts', 'src/**/*.test.tsx'],
          exclude: [alone],
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...bounds, name: 'alone', include: [alone], maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
})
