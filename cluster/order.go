package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// An Order is how a job is asked for.
type Order struct {
	Author string
	// User is the user of the system whose ACLs of Pacemaker hold; empty: the agent's.
	User string
	// Key is the Idempotency-Key; empty: there is none. Body is the request, which is
	// compared with a former one of the same key.
	Key  string
	Body []byte
	// Commit is that of the Job.
	Commit string
}

// JobID is the id of the job of an order that has a Key: the same on each node.
func (o Order) JobID() string {
	sum := sha256.Sum256([]byte("thalassa job\x00" + o.Author + "\x00" + o.Key))
	return hex.EncodeToString(sum[:10])
}

// A JobQuery selects jobs. The zero value selects the newest 100.
type JobQuery struct {
	State  JobState  // empty: any
	Author string    // empty: anybody
	Object string    // empty: any
	Before time.Time // they began before it; zero: any time
	Limit  int       // 1 to 1000; 0: 100
}
