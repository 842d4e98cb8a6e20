package membership

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/bootstrap"
	"thalassa/corosync"
	"thalassa/internal/peer"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// Work carries out a question that was checked, and tells of it.
type Work func(ctx context.Context, q Question, tell func(Event)) error

// Serve answers one question on a connection to a unix socket, and closes it. Only root and the
// named user may ask. A join and a leave go on if the asker goes away.
func Serve(ctx context.Context, conn net.Conn, caller string, work Work) error {
	defer conn.Close()
	if err := peer.CheckCaller(conn, caller); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(readWithin)); err != nil {
		return err
	}
	q, err := readQuestion(conn)
	out := &answer{conn: conn}
	if err == nil {
		err = out.during(ctx, q, work)
	}
	return out.send(endOf(err))
}

// readQuestion reads a question, which has at most maxQuestion bytes.
func readQuestion(in io.Reader) (q Question, err error) {
	text, err := peer.ReadLine(in, maxQuestion)
	if long, isLong := errors.AsType[*peer.LineError](err); isLong {
		return q, invalid("question", "is not a line", fmt.Sprintf("one of at most %d bytes", long.Max))
	}
	if err == nil {
		err = strictjson.Decode(text, &q)
	}
	if err == nil {
		err = q.check()
	}
	return q, err
}

// An answer is the side of root of a connection.
type answer struct {
	conn net.Conn

	mu     sync.Mutex
	events int
}

// during carries out a question while the connection lasts, or its time.
func (a *answer) during(ctx context.Context, q Question, work Work) error {
	if err := a.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, q.limit())
	defer cancel()
	if q.endsWithConnection() {
		ended, end := context.WithCancelCause(ctx)
		defer end(nil)
		ctx = ended
		go func() {
			_, _ = io.Copy(io.Discard, io.LimitReader(a.conn, 1)) // the asker has nothing to say
			end(errEnded)
		}()
	}
	return work(ctx, q, a.tell)
}

var errEnded = errors.New("the agent has ended it")

// tell sends an event. Whoever does not take it any more learns nothing. Of the steps of nodes that
// join, which those nodes tell, maxEvents are passed on.
func (a *answer) tell(e Event) {
	if e.State != "warning" && !slices.Contains([]string{"node", "sync", "code"}, e.Step) {
		a.mu.Lock()
		a.events++
		tooMany := a.events > maxEvents
		a.mu.Unlock()
		if tooMany {
			return
		}
	}
	e.Text, e.Step, e.Node = short(e.Text), short(e.Step), short(e.Node)
	_ = a.send(line{Event: &e}) // see above
}

func (a *answer) send(l line) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.conn.SetWriteDeadline(time.Now().Add(readWithin)); err != nil {
		return err
	}
	_, err = a.conn.Write(append(data, '\n'))
	return err
}

// short is a text of at most maxText bytes.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}

// endOf is the last line of an answer.
func endOf(err error) line {
	l := line{End: true}
	if err == nil {
		return l
	}
	l.Error, l.Kind = short(err.Error()), kindFailed
	_, isBusy := errors.AsType[*bootstrap.BusyError](err)
	_, isConflict := errors.AsType[*bootstrap.ConflictError](err)
	value, isValue := errors.AsType[*corosync.FieldError](err)
	invalid, isInvalid := errors.AsType[*lb.InvalidError](err)
	switch {
	case isValue:
		l.Kind, l.Field, l.Expected = kindInvalid, value.Field, short(value.Expected)
	case isInvalid && len(invalid.Fields) > 0:
		l.Kind, l.Field, l.Expected = kindInvalid, short(invalid.Fields[0].Path), short(cmp.Or(invalid.Fields[0].Expected, invalid.Fields[0].Problem))
	case isBusy:
		l.Kind = kindBusy
	case isConflict:
		l.Kind = kindConflict
	case err.Error() == errEnded.Error(): // else something is wrong as well
		l.Kind = kindEnded
	case errors.Is(err, bootstrap.ErrNoAnswer):
		l.Kind = kindNoAnswer
	}
	return l
}

// Carry is the Work that package bootstrap does.
func Carry(cfg bootstrap.Config) Work {
	return func(ctx context.Context, q Question, tell func(Event)) error {
		cfg := cfg
		cfg.Tell = tell
		switch q.Verb {
		case VerbCheck:
			return bootstrap.CheckIdle(ctx, cfg)
		case VerbInvite:
			return bootstrap.Invite(ctx, cfg, bootstrap.Invitation{Nodes: q.Nodes, For: time.Duration(q.For) * time.Second, Port: bootstrap.DefaultPort})
		case VerbJoin:
			return join(ctx, cfg, q)
		case VerbSync:
			return bootstrap.Sync(ctx, cfg, bootstrap.Syncing{Port: bootstrap.DefaultPort, Wait: syncWait})
		case VerbLeave:
			return leave(ctx, cfg)
		case VerbForget:
			return bootstrap.Forget(ctx, cfg, bootstrap.Forgetting{Nodes: q.Gone, Down: q.Down, Port: bootstrap.DefaultPort})
		}
		return q.check()
	}
}

func join(ctx context.Context, cfg bootstrap.Config, q Question) (err error) {
	j := bootstrap.Joining{Code: q.Code, Node: q.Node, Addresses: q.Addresses}
	if j.Node == "" {
		if j.Node, err = bootstrap.HostName(); err != nil {
			return err
		}
	}
	if len(j.Addresses) == 0 {
		if j.Addresses, err = bootstrap.AddressTowards(ctx, j.Code); err != nil {
			return err
		}
	}
	return bootstrap.Join(ctx, cfg, j)
}

// leave is also right for a node that has left already.
func leave(ctx context.Context, cfg bootstrap.Config) error {
	in, err := bootstrap.InCluster(ctx, cfg)
	switch {
	case err != nil:
		return err
	case in:
		return bootstrap.Leave(ctx, cfg)
	}
	cfg.Tell(Event{Step: "node", State: "kept", Text: "the node is in no cluster"})
	return nil
}
