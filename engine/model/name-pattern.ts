// Patterns for the names of files: `*` is any characters, `?` is one; everything else is itself. Letter case counts, as in .holdfastignore.

const patternsMax = 32
const patternCharactersMax = 255

/** The patterns of a text, which are parted by spaces; undefined when it is not such a list. Names only: a pattern has no '/'. */
export function parseNamePatterns(text: string): readonly string[] | undefined {
  const patterns = text.split(/\s+/).filter((pattern) => pattern.length > 0)
  const isGood = patterns.every((pattern) => pattern.length <= patternCharactersMax && !pattern.includes('/'))
  return isGood && patterns.length <= patternsMax ? patterns : undefined
}

/** Takes at most as many steps as the product of both lengths. */
export function matchesName(pattern: string, name: string): boolean {
  let patternAt = 0
  let nameAt = 0
  /** The last star, and how much of the name it stands for so far ends here. */
  let star = -1
  let starEnd = 0
  while (nameAt < name.length) {
    if (pattern[patternAt] === '*') {
      star = patternAt++
      starEnd = nameAt
    } else if (patternAt < pattern.length && (pattern[patternAt] === '?' || pattern[patternAt] === name[nameAt])) {
      patternAt++
      nameAt++
    } else if (star >= 0) {
      patternAt = star + 1
      nameAt = ++starEnd
    } else return false
  }
  while (pattern[patternAt] === '*') patternAt++
  return patternAt === pattern.length
}
