package peers

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// mostLooks is how many names are looked at in a round that are not those of known nodes,
	// and moreIn the time until the next such round.
	mostLooks = 16
	moreIn    = time.Second
	// longestLook is how long a round looks at such names.
	longestLook = 150 * time.Millisecond
	// lookAgain is the time until a name is looked at again that was no node's.
	lookAgain = 15 * time.Second
	// maxStrangers bounds the names that are remembered. Of more, each is looked at again and
	// again.
	maxStrangers = 4096
	// beginning is how much is kept of a value: enough to see that no node has sealed it.
	beginning = 64
)

// Strangers are the names in the store that are not those of known nodes. Anybody who may
// write there makes as many as there is room for, and each may be a node that is new. The
// zero value is ready.
type strangers struct{ seen map[string]stranger }

// A stranger was not the name of a node when it was looked at.
type stranger struct {
	at    time.Time
	value []byte // its beginning
}

// choose says at which of the present names to look now, and how long to wait for a change
// before the next round. At the first fresh of them, and at more where there are more, nobody
// has looked yet. It forgets the names that are no longer there.
func (s *strangers) choose(present []string) (look []string, pause time.Duration, fresh int) {
	slices.Sort(present)
	for name := range s.seen {
		if _, there := slices.BinarySearch(present, name); !there {
			delete(s.seen, name)
		}
	}
	var unseen, due []string
	for _, name := range present {
		switch known, ok := s.seen[name]; {
		case !ok:
			unseen = append(unseen, name)
		case time.Since(known.at) >= lookAgain:
			due = append(due, name)
		}
	}
	for _, names := range [][]string{unseen, due} { // all get their turn
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	}
	look = slices.Concat(unseen, due)
	switch {
	case len(look) > mostLooks:
		look, pause = look[:mostLooks], moreIn
	case len(present) > 0:
		pause = lookAgain
	default:
		pause = wait
	}
	return look, pause, len(unseen)
}

// note remembers a name that is not that of a node.
func (s *strangers) note(name string, value []byte) {
	if len(s.seen) >= maxStrangers {
		for other := range s.seen {
			delete(s.seen, other)
			break
		}
	}
	if s.seen == nil {
		s.seen = map[string]stranger{}
	}
	s.seen[name] = stranger{time.Now(), slices.Clone(value[:min(len(value), beginning)])}
}

// beginnings are the values of the names, as far as they are kept.
func (s *strangers) beginnings() map[string][]byte {
	out := map[string][]byte{}
	for name, one := range s.seen {
		out[name] = one.value
	}
	return out
}
