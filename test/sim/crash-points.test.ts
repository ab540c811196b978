// Crashes before calls that change a drive, on the node that makes a change and on the one that receives it: a part of all there are,
// spread evenly. `npm run sim -- --crash-points` is the whole sweep.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { crashPointsOf, describePoint, runCrashPoint } from './crash-points.ts'
import { scenarios } from './crash-scenarios.ts'

/** One point in so many, and not the same ones in every scenario. Prime, so that kills and power cuts on both nodes take turns. */
const stride = 11

describe('after a crash nothing is lost, nothing is half there, and the nodes agree:', () => {
  for (const [at, scenario] of scenarios.entries()) {
    it(scenario.name, async () => {
      const points = await crashPointsOf(scenario)
      assert.ok(points.length > 20, `only ${points.length} crash points`)
      for (const point of points.filter((_, index) => index % stride === at % stride)) {
        const { failure } = await runCrashPoint(point)
        assert.equal(failure, undefined, describePoint(point))
      }
    })
  }
})
