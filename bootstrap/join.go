package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"thalassa/corosync"
	"thalassa/internal/wake"
)

// ErrNoAnswer is the cause of an error about an invitation that does not answer as expected.
var ErrNoAnswer = errors.New("no answer")

// confirmWithin bounds the wait for the other side to see that this node is online.
const confirmWithin = 2 * time.Minute

// A Joining is how this node joins a cluster.
type Joining struct {
	Code      string
	Node      string // its name
	Addresses []string
}

// ForeseeJoin checks everything that Join checks before it asks the other node, and returns what it
// would do. It changes nothing.
func ForeseeJoin(ctx context.Context, cfg Config, j Joining) (Outlook, error) {
	n, err := open(ctx, cfg)
	if err != nil {
		return Outlook{}, err
	}
	defer n.close()
	c, err := n.checkJoin(j)
	if err != nil {
		return Outlook{}, err
	}
	steps := n.sentences()
	if len(steps) > 0 {
		steps = append([]string{fmt.Sprintf("ask the node at %s for the configuration and the key of its cluster", c.Address)}, steps...)
	}
	return Outlook{Steps: steps}, nil
}

// AddressTowards returns the address of this machine from which it reaches the node of a code.
func AddressTowards(ctx context.Context, text string) ([]string, error) {
	c, err := readCode(text)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", c.Address.String()) // sends nothing
	if err != nil {
		return nil, fmt.Errorf("looking for the way to the inviting node: %w", err)
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("looking for the way to the inviting node: %w", err)
	}
	return []string{local.Addr().Unmap().String()}, nil
}

func readCode(text string) (code, error) {
	c, err := parseCode(text)
	if err != nil {
		return c, &corosync.FieldError{Field: "code", Value: "", Expected: err.Error()}
	}
	return c, nil
}

func (n *node) checkJoin(j Joining) (code, error) {
	c, err := readCode(j.Code)
	if err != nil {
		return c, err
	}
	if err := corosync.CheckName("node", j.Node); err != nil {
		return c, err
	}
	if err := n.checkAddresses(j.Addresses); err != nil {
		return c, err
	}
	if err := n.checkJournal(actionJoin, j.Node, j.Addresses); err != nil || n.journal.Complete {
		return c, err
	}
	return c, n.checkBare()
}

// Join lets this node join the cluster whose node has made the code. When it returns without
// error, this node is online in a cluster with quorum, and corosync.conf of all nodes names it.
// After a crash, the same call goes on.
func Join(ctx context.Context, cfg Config, j Joining) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.close()
	c, err := n.checkJoin(j)
	if err != nil {
		return err
	}
	if n.journal.Complete {
		n.tell(Event{Step: "node", State: "kept", Text: fmt.Sprintf("this node is in the cluster %s already", n.journal.Cluster)})
		return n.isThere(ctx, n.journal.Node)
	}
	if n.asJoiner().hasJoined(ctx) {
		return n.complete(ctx)
	}
	id, isNew, err := n.journal.idFor(c)
	if err != nil {
		return err
	}
	if !n.journal.exists || n.journal.ID != id {
		n.journal.Action, n.journal.ID = actionJoin, id
		n.journal.Node, n.journal.Addresses = j.Node, j.Addresses
		if err := n.journal.save(); err != nil {
			return err
		}
	}
	l, err := n.asJoiner().askToJoin(ctx, c)
	if err != nil {
		if len(n.journal.Begun) == 0 {
			err = errors.Join(err, n.journal.remove())
		}
		if isNew && errors.As(err, new(*refusal)) {
			err = errors.Join(err, n.journal.forgetID())
		}
		return err
	}
	defer l.conn.Close()
	return n.asJoiner().joinBy(ctx, l)
}

// A joiner is a node that joins a cluster.
type joiner struct{ *node }

func (n *node) asJoiner() joiner { return joiner{n} }

// hasJoined reports whether an earlier run ended after all steps.
func (n joiner) hasJoined(ctx context.Context) bool {
	return slices.Contains(n.journal.Done, stepPacemaker) && n.isOnline(ctx, n.journal.Node) == nil
}

// A refusal is an error of a node that has certainly not got the key.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// errOtherInvitation is the cause of an error about somebody who has not made the code.
var errOtherInvitation = errors.New("the certificate is not that of the code: another invitation, or another machine, answers there")

// errDropped is the cause of an error about a connection that the inviting node has ended at once, as
// it does with the oldest one when there are too many.
var errDropped = errors.New("the inviting node has ended the connection")

// askTries is how often a node asks whose connections are dropped.
const askTries = 10

// askToJoin asks again while its connections are dropped.
func (n joiner) askToJoin(ctx context.Context, c code) (*link, error) {
	for try := 1; ; try++ {
		l, err := n.askOnce(ctx, c)
		if err == nil || !errors.Is(err, errDropped) || try == askTries || wake.Pause(ctx, n.cfg.Silence/askTries) != nil {
			return l, err
		}
	}
}

// dropped marks an error about a connection that the other side has ended.
func dropped(err error) error {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return fmt.Errorf("%w: %w", errDropped, err)
		}
	}
	return err
}

// askOnce says who this node is, and stores the configuration and the key that it gets.
func (n joiner) askOnce(ctx context.Context, c code) (*link, error) {
	l, err := n.cfg.connect(ctx, c.Address.String(), &c.Digest)
	if err != nil {
		return nil, &refusal{c.unanswered(dropped(err))}
	}
	end := context.AfterFunc(ctx, func() { l.giveUp(context.Cause(ctx)) })
	err = n.exchange(ctx, l, c)
	if !end() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.giveUp(err)
		return nil, err
	}
	return l, nil
}

// unanswered says why there is no connection to the node that has made a code.
func (c code) unanswered(err error) error {
	const next = "thalassa cluster invite makes another code"
	switch {
	case errors.Is(err, errOtherInvitation):
		return conflict("the invitation at %s: %v; %s", c.Address, err, next)
	case time.Now().After(c.Expires):
		return conflict("the code has expired at %s; %s", c.Expires.Format(time.DateTime), next)
	}
	return fmt.Errorf("%w: the invitation at %s (until %s): %w. It may have been used, or have ended; %s",
		ErrNoAnswer, c.Address, c.Expires.Format(time.DateTime), err, next)
}

// giveUp tells the inviting node why this one does not join, and ends the connection.
func (l *link) giveUp(err error) {
	_ = l.send(message{Type: msgFailed, Text: err.Error()}) // it learns it, or notices the end
	_ = l.conn.Close()
}

func (n joiner) exchange(ctx context.Context, l *link, c code) error {
	err := l.send(message{Type: msgJoin, Secret: c.Secret[:], ID: n.journal.ID, Node: n.journal.Node, Addresses: n.journal.Addresses})
	if err != nil {
		return fmt.Errorf("asking to join: %w", dropped(err))
	}
	n.tell(Event{Step: "node", State: "waiting", Text: "waiting until the other nodes are ready"})
	m, err := l.next(n.cfg.Silence)
	err = dropped(err)
	for err == nil && m.Type == msgReady {
		if err = l.send(message{Type: msgReady}); err == nil {
			m, err = l.next(n.cfg.Silence)
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("asking to join: %w", err)
	case m.Type == msgRefused:
		return &refusal{conflict("the cluster does not let this node join: %s", m.Text)}
	case m.Type != msgConf:
		return fmt.Errorf("asking to join: expected the configuration, got %q", m.Type)
	}
	return n.take(m)
}

// next is the next message that is no sign of life.
func (l *link) next(within time.Duration) (message, error) {
	for {
		m, err := l.receive(maxMessage, within)
		if err != nil || m.Type != msgAlive {
			return m, err
		}
	}
}

// take stores what the other node has sent, before any step uses it.
func (n joiner) take(m message) error {
	conf, err := corosync.Parse(m.Conf)
	if err != nil {
		return err
	}
	own, ok := conf.Node(n.journal.Node)
	if !ok || !slices.Equal(own.Addresses, n.journal.Addresses) || len(m.Conf) > maxConf {
		return errors.New("the configuration of the cluster does not have this node")
	}
	if len(m.Key) < 128 || len(m.Key) > maxKey {
		return fmt.Errorf("the key of the cluster has %d bytes, expected 128 to %d", len(m.Key), maxKey)
	}
	if n.journal.Cluster != "" && n.journal.Cluster != conf.Cluster() {
		return conflict("this node was about to join the cluster %q, and the code is of %q; thalassa cluster leave takes that back", n.journal.Cluster, conf.Cluster())
	}
	if now, err := n.journal.get(fileConf, maxConf); err != nil || !bytes.Equal(now, m.Conf) {
		n.journal.Done = nil // of an earlier configuration
	}
	n.journal.Cluster = conf.Cluster()
	n.journal.noteKey(m.Key)
	if err := n.journal.save(); err != nil {
		return err
	}
	if err := n.journal.put(fileKey, m.Key); err != nil {
		return err
	}
	return n.journal.put(fileConf, m.Conf)
}

// joinBy does the steps, and tells the other node about them. If that goes silent, this node goes
// on: what counts is whether it becomes a member.
func (n joiner) joinBy(ctx context.Context, l *link) error {
	stop := l.staysAlive(ctx, n.cfg.Silence)
	told := *n.node
	told.cfg.Tell = func(e Event) {
		n.cfg.Tell(e)
		_ = l.send(message{Type: msgStep, ID: e.Step, State: e.State, Text: e.Text}) // see above
	}
	err := told.asSetup().run(ctx, told.asSetup().steps())
	stop()
	if err != nil {
		_ = l.send(message{Type: msgFailed, Text: err.Error()}) // see above
		return err
	}
	more, err := n.confirm(ctx, l)
	if err != nil {
		return err
	}
	if err := n.finish(); err != nil {
		return err
	}
	n.warnOfFencing(ctx)
	if more == 0 {
		return nil
	}
	n.tell(Event{Step: "sync", State: "waiting", Text: "this node has joined; the command waits for the new corosync.conf with " + count(more, "more node")})
	if err := n.node.asMember().serveMember(ctx, l); err != nil {
		n.tell(Event{Step: "sync", State: "warning", Text: err.Error() + ". When another node joins, run thalassa cluster sync here"})
	}
	return nil
}

// confirm tells the other node that this one is online, and waits until it sees that too.
func (n joiner) confirm(ctx context.Context, l *link) (more int, err error) {
	m, err := l.exchange(message{Type: msgMember}, confirmWithin)
	switch {
	case err != nil:
		n.tell(Event{Step: "node", State: "warning", Text: "this node is online, but the inviting command has ended: " + err.Error()})
		return 0, nil //nolint:nilerr // what counts is that this node is online
	case m.Type != msgDone:
		return 0, errors.Join(conflict("the cluster has taken this node out again: %s", m.Text), n.node.asSetup().undoAll(ctx, n.node.asSetup().steps()))
	}
	return m.More, nil
}

// exchange sends a message and waits for the answer.
func (l *link) exchange(m message, within time.Duration) (message, error) {
	if err := l.send(m); err != nil {
		return message{}, err
	}
	return l.next(within)
}
