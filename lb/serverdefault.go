package lb

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// serverDefaults are what the default-server lines of a backend say about settings that
// each server line repeats.
type serverDefaults struct {
	interval time.Duration // 0: not said, or not readable
	weight   int           // -1: not said, or not readable
	resolves bool          // they name a resolvers section
	hashKey  string        // empty: not said
}

func (b Backend) serverDefaults() serverDefaults {
	d := serverDefaults{weight: -1}
	for _, n := range b.Natives {
		if !strings.HasPrefix(string(n), "default-server") {
			continue
		}
		words := lineWords(n)
		if wordAt(words, 0) != "default-server" {
			continue
		}
		for at := 1; at < len(words); at++ {
			value := wordAt(words, at+1)
			switch words[at] {
			case "inter":
				d.interval = parseInterval(value)
			case "weight":
				d.weight = parseWeight(value)
			case "resolvers":
				d.resolves = true
			case "hash-key":
				d.hashKey = value
			}
			if isOneOf(serverValues, words[at]) {
				at++
			}
		}
	}
	return d
}

// maxInterval bounds the time between two checks.
const maxInterval = 24 * time.Hour

// parseInterval reads a time as HAProxy does: a number of milliseconds, or of its unit
// (configuration manual, 2.5). It is 0 for anything else than whole milliseconds up to
// maxInterval.
func parseInterval(s string) time.Duration {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.ParseUint(s[:end], 10, 32)
	unit, known := map[string]time.Duration{
		"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
	}[s[end:]]
	if err != nil || !known || n > uint64(maxInterval/unit) {
		return 0
	}
	return (time.Duration(n) * unit).Truncate(time.Millisecond) //nolint:gosec // bounded above
}

func parseWeight(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 256 {
		return -1
	}
	return n
}

// HasResolvers reports whether raw lines choose how names of servers are resolved.
func (b Backend) HasResolvers() bool { return b.serverDefaults().resolves }

// rawBalance is the argument of the last balance line among raw lines; empty: none.
func rawBalance(lines []RawLine) string {
	for _, n := range slices.Backward(lines) {
		if words := lineWords(n); wordAt(words, 0) == "balance" {
			return strings.Join(words[1:], " ")
		}
	}
	return ""
}
