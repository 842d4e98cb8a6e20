package services

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"thalassa/internal/peer"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// Verbs of questions.
const (
	VerbState = "state" // how the services are
	VerbStart = "start" // a service, or all in their order
	VerbStop  = "stop"  // a service, or all in the opposite order
	VerbKey   = "key"   // see Node.Key
)

// Bounds of a question.
const (
	maxQuestion = 1 << 10 // bytes
	maxAnswer   = 64 << 10
	// readWithin is how long a question may take to arrive.
	readWithin = 10 * time.Second
	// Longest is how long a service may take to start or stop: what runs on the node has to
	// leave it.
	Longest = 11 * time.Minute
)

// A question is a line of JSON on a connection, which has one question.
type question struct {
	Verb    string `json:"verb"`
	Service string `json:"service,omitempty"`
}

// An answer is the line that follows.
type answer struct {
	Services map[string]State `json:"services,omitempty"`
	Key      string           `json:"key,omitempty"` // in base64
	Error    string           `json:"error,omitempty"`
}

// Serve answers one question on a connection to a unix socket, and closes it. Only root and the
// named user may ask. Once asked, a service is started or stopped also if the asker goes away.
func Serve(ctx context.Context, conn net.Conn, caller string, c Control) error {
	defer conn.Close()
	if err := peer.CheckCaller(conn, caller); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(readWithin)); err != nil {
		return err
	}
	q, err := readQuestion(conn)
	var a answer
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, Longest)
		defer cancel()
		a, err = c.answer(ctx, q)
	}
	if err != nil {
		a.Error = err.Error()
	}
	if err := conn.SetDeadline(time.Now().Add(readWithin)); err != nil {
		return err
	}
	return json.NewEncoder(conn).Encode(a)
}

// readQuestion reads a question, which has at most maxQuestion bytes.
func readQuestion(in io.Reader) (q question, err error) {
	line, err := peer.ReadLine(in, maxQuestion)
	if err == nil {
		err = strictjson.Decode(line, &q)
	}
	if err == nil && q.Service != "" {
		err = check(q.Service)
	}
	return q, err
}

// answer answers a question.
func (c Control) answer(ctx context.Context, q question) (a answer, err error) {
	names := Names()
	if q.Verb == VerbStop {
		names = []string{Pacemaker, Corosync}
	}
	if q.Service != "" {
		names = []string{q.Service}
	}
	switch q.Verb {
	case VerbStart, VerbStop, VerbState:
		for _, name := range names {
			if q.Verb == VerbStart && err == nil {
				err = c.Start(ctx, name)
			}
			if q.Verb == VerbStop && err == nil {
				err = c.Stop(ctx, name)
			}
		}
	case VerbKey:
		var key []byte
		key, err = c.key()
		a.Key = base64.StdEncoding.EncodeToString(key)
		return a, err
	default:
		return a, &lb.InvalidError{Fields: []lb.FieldError{{Path: "verb", Problem: "is not known", Expected: "state, start, stop or key"}}}
	}
	a.Services = map[string]State{}
	for _, name := range Names() {
		s, looked := c.State(context.WithoutCancel(ctx), name)
		a.Services[name] = s
		err = errors.Join(err, looked)
	}
	return a, err
}
