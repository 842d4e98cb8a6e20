package node

import (
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// A Restore says how to go back to a revision.
type Restore struct {
	Message string        // what for; empty: none is given
	Force   bool          // even if a backend that a frontend leads to has no member then
	Wait    time.Duration // how long healthy instances may take to appear
}

// ParseRestore decodes and checks the body of a restore; an empty one is allowed.
func ParseRestore(body []byte) (Restore, error) {
	var in struct {
		Message string `json:"message"`
		Force   bool   `json:"force"`
		Wait    string `json:"wait"`
	}
	if len(body) > 0 {
		if err := strictjson.Decode(body, &in); err != nil {
			return Restore{}, err
		}
	}
	out := Restore{Message: in.Message, Force: in.Force}
	var fe lb.FieldErrors
	fe.AddErr("message", lb.CheckMessage(in.Message))
	wait, err := lb.ParseWait(in.Wait)
	fe.AddErr("wait", err)
	out.Wait = wait
	return out, fe.Err()
}
