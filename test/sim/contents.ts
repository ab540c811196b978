// Names and contents for generated work: few names, so that things collide; sizes around the limits that matter; some contents equal.

import { SeededRandom } from '../support/seeded-random.ts'
import type { Content } from './script.ts'

const directories = ['', 'a', 'b', 'a/c', 'b/d e', 'a/c/ü']
const files = ['one', 'two.txt', 'three.tar.gz', '.hidden', 'naïve ☂', `${'long'.repeat(50)}.txt`]

/** A path for something new; may well be taken. */
export function drawPath(random: SeededRandom): string {
  const directory = random.pick(directories) ?? ''
  const file = random.pick(files) ?? 'one'
  return directory === '' ? file : `${directory}/${file}`
}

export function drawDirectory(random: SeededRandom): string {
  const directory = random.pick(directories.slice(1)) ?? 'a'
  return random.chance(0.3) ? `${directory}/${random.pick(['x', 'y'])}` : directory
}

/** One in eight contents comes from a pool of six, so that equal contents meet. */
export function drawContent(random: SeededRandom): Content {
  if (!random.chance(0.125)) return { sizeBytes: drawSize(random), fill: String(random.uint32()) }
  const fill = `pool ${random.below(6)}`
  return { sizeBytes: drawSize(new SeededRandom(fill)), fill }
}

function drawSize(random: SeededRandom): number {
  const kind = random.pickWeighted({ empty: 1, byte: 1, small: 8, page: 2, middle: 4, large: 2 })
  switch (kind) {
    case 'empty':
      return 0
    case 'byte':
      return 1
    case 'small':
      return random.between(2, 2000)
    case 'page':
      return 4096 * random.between(1, 4) + random.between(-1, 1)
    case 'middle':
      return random.between(4_000, 70_000)
    case 'large':
      return random.between(70_000, 700_000)
  }
}
