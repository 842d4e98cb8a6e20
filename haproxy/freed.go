package haproxy

import (
	"maps"
	"time"

	"thalassa/lb"
)

// hangs is how long a check may take: until HAProxy's "timeout check", or else the interval of
// checks, which is rarely more.
const hangs = 30 * time.Second

// freed are the lines that have been taken out of use lately, by BACKEND/SERVER. A check of their
// former address may still hang. When it fails, it counts for whoever has the line by then (HAProxy
// 2.6 to 3.2). A server that becomes ready is down after one failed check; so such a line needs
// lb.ServerOp.Up.
type freed map[string]time.Time

// note remembers the lines that ops take out of use, and forgets those of long ago.
func (f freed) note(ops []lb.ServerOp) {
	now := time.Now()
	maps.DeleteFunc(f, func(_ string, at time.Time) bool { return now.Sub(at) > hangs })
	for _, op := range ops {
		if op.Maintenance {
			f[id(op)] = now
		}
	}
}

// revive sets Up in ops that put one of these lines to use again. Its address may have been set by
// an attempt that has failed then.
func (f freed) revive(ops []lb.ServerOp) {
	for i := range ops {
		if at, ok := f[id(ops[i])]; ok && ops[i].Ready && time.Since(at) <= hangs {
			ops[i].Up = true
		}
	}
}
