package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"thalassa/corosync"
	"thalassa/internal/wake"
)

// A Syncing is how a member gets a new corosync.conf.
type Syncing struct {
	Port uint16        // where the inviting node listens (DefaultPort)
	Wait time.Duration // how long to look for a node that invites
}

// Sync gets the newest corosync.conf from the node that is inviting others, and stays until that
// invitation ends. Nodes prove to each other that they have the cluster's key.
func Sync(ctx context.Context, cfg Config, s Syncing) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.asMember().recover(ctx); err != nil {
		return err
	}
	conf, self, key, err := n.readCluster()
	if err != nil {
		return err
	}
	n.journal.Node = self.Name // of events
	looking, cancel := context.WithTimeout(ctx, s.Wait)
	defer cancel()
	others := slices.DeleteFunc(conf.Nodes(), func(other corosync.Node) bool { return other.Name == self.Name || len(other.Addresses) == 0 })
	host, err := n.asMember().find(looking, others, s.Port, key, self.Name)
	if err != nil {
		return err
	}
	defer host.conn.Close()
	n.tell(Event{Step: "sync", State: "begin", Text: "connected to node " + host.name})
	return n.asMember().serveMember(ctx, host.link)
}

// A member is a node that takes new configurations from one that invites.
type member struct{ *node }

func (n *node) asMember() member { return member{n} }

// A found is a node that invites.
type found struct {
	name string
	*link
}

// find looks for a node that invites, until ctx ends. It asks all nodes at the same time: a machine
// without power answers nothing for as long as a connection may take, and after the loss of a site
// there are several. The first node that proves to have the key is the one.
func (n member) find(ctx context.Context, others []corosync.Node, port uint16, key []byte, self string) (found, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	slots, first, last := make(chan struct{}, corosync.MaxNodes), make(chan found, 1), make([]error, len(others))
	var all sync.WaitGroup
	for i, other := range others {
		all.Go(func() {
			l, err := n.greetUntil(ctx, slots, net.JoinHostPort(other.Addresses[0], strconv.Itoa(int(port))), key, self)
			if err != nil {
				last[i] = fmt.Errorf("node %s: %w", other.Name, err)
				return
			}
			select {
			case first <- found{other.Name, l}:
				stop()
			default:
				_ = l.conn.Close() // two nodes invite
			}
		})
	}
	all.Wait()
	select {
	case f := <-first:
		return f, nil
	default:
		return found{}, errors.Join(append([]error{conflict("no other node is inviting nodes right now (thalassa cluster invite)")}, last...)...)
	}
}

// greetUntil greets a node again and again until it invites, or ctx ends. slots bounds how many are
// greeted at the same time. The error is that of the last greeting which the end of ctx did not cut.
func (n member) greetUntil(ctx context.Context, slots chan struct{}, address string, key []byte, self string) (*link, error) {
	var last error
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil, cmp.Or(last, context.Cause(ctx))
		}
		l, err := n.greetMember(ctx, address, key, self)
		<-slots
		if err == nil {
			return l, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if wake.Pause(ctx, time.Second) != nil {
			return nil, last
		}
	}
}

// greetMember connects to a node that invites, which must have the key of the cluster.
func (n member) greetMember(ctx context.Context, address string, key []byte, name string) (*link, error) {
	l, err := n.cfg.connect(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	end := context.AfterFunc(ctx, func() { _ = l.conn.Close() })
	err = l.prove(key, name)
	if !end() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.conn.Close())
	}
	return l, nil
}

func (l *link) prove(key []byte, name string) error {
	own, err := l.proof(key, sideMember)
	if err != nil {
		return err
	}
	want, err := l.proof(key, sideServer)
	if err != nil {
		return err
	}
	if err := l.send(message{Type: msgSync, Node: name, Proof: own}); err != nil {
		return err
	}
	m, err := l.receive(maxHello, handshakeWithin)
	switch {
	case err != nil:
		return err
	case m.Type == msgRefused:
		return errors.New(m.Text)
	case !hmac.Equal(want, m.Proof):
		return errors.New("it does not have the key of this cluster")
	}
	return nil
}

// serveMember stores each configuration that comes, until the other side has no more.
func (n member) serveMember(ctx context.Context, l *link) error {
	end := context.AfterFunc(ctx, func() { _ = l.conn.Close() })
	defer end()
	if err := n.recover(ctx); err != nil {
		return err
	}
	var kept stash
	defer func() { n.putBack(context.WithoutCancel(ctx), kept) }()
	for {
		m, err := l.next(n.cfg.Silence)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("the connection to the inviting node has ended: %w", err)
		}
		answer := message{Type: msgVersion}
		switch m.Type {
		case msgEnd:
			return nil
		case msgConf:
			answer.Type = msgStored
			if err := n.store(ctx, &kept, m); err != nil {
				answer = message{Type: msgRefused, Text: err.Error()}
			}
		case msgVersion:
			answer = n.version(ctx)
			if kept.isIn(answer.Version) {
				kept = stash{}
				n.forgetStash()
				n.tell(Event{Step: "sync", State: "done", Text: fmt.Sprintf("version %d of corosync.conf is in effect", answer.Version)})
			}
		}
		if err := l.send(answer); err != nil {
			return fmt.Errorf("answering the inviting node: %w", err)
		}
	}
}

// version says which configuration this node has.
func (n member) version(ctx context.Context) message {
	answer := message{Type: msgVersion}
	file, err := n.file()
	if err == nil {
		answer.Sum = sum(file)
		answer.Version, err = n.cfg.inEffect(ctx)
	}
	if err != nil {
		answer.Text = err.Error()
	}
	return answer
}

// A stash is a corosync.conf that this node has stored and corosync has not read yet, with the one
// that was there before. Both are nil where there is none.
type stash struct {
	Former []byte `json:"former"`
	Stored []byte `json:"stored"`
}

// recover puts the former corosync.conf back if an earlier command was killed after it had stored
// another one.
func (n member) recover(ctx context.Context) error {
	kept, err := n.journal.stash()
	if err != nil || kept.Stored == nil {
		return err
	}
	n.putBack(ctx, kept)
	return nil
}

// forgetStash forgets what was there before a configuration that is in effect. What stays is noticed
// later to be of no use.
func (n member) forgetStash() {
	if err := n.journal.setStash(stash{}); err != nil {
		n.tell(Event{Step: "sync", State: "warning", Text: err.Error()})
	}
}

// isIn reports whether a version that is in effect is that of the stored configuration, or later.
func (s stash) isIn(version uint64) bool {
	conf, err := corosync.Parse(s.Stored)
	return s.Stored != nil && err == nil && version >= conf.Version()
}

// store replaces corosync.conf of this node, which is a member. What corosync has read last stays in
// the stash until it has read another one.
func (n member) store(ctx context.Context, kept *stash, m message) error {
	version, err := n.cfg.inEffect(ctx)
	if err != nil {
		return err
	}
	if kept.isIn(version) {
		*kept = stash{}
	}
	file, err := n.file()
	if err != nil {
		return err
	}
	if kept.Stored != nil && bytes.Equal(file, kept.Stored) {
		if bytes.Equal(m.Conf, kept.Former) { // the other side goes back
			if err := writeConf(n.conf(), m.Conf); err != nil {
				return err
			}
			*kept = stash{}
			return n.journal.setStash(*kept)
		}
		if bytes.Equal(m.Sum, sum(kept.Former)) {
			file = kept.Former
		}
	}
	if err := n.checkNext(file, m, version); err != nil {
		return err
	}
	if kept.Stored == nil {
		kept.Former = file
	}
	kept.Stored = m.Conf
	if err := n.journal.setStash(*kept); err != nil {
		*kept = stash{}
		return err
	}
	if err := writeConf(n.conf(), m.Conf); err != nil {
		return err
	}
	n.cfg.BeforeStep("stored")
	return nil
}

// checkNext reports why a configuration must not replace the one of this node: it is not of this
// cluster, or would lose what somebody else has changed.
func (n member) checkNext(file []byte, m message, inEffect uint64) error {
	now, self, _, err := n.readCluster()
	if err != nil {
		return err
	}
	base, err := corosync.Parse(file)
	if err != nil {
		return err
	}
	next, err := corosync.Parse(m.Conf)
	if err != nil {
		return err
	}
	isOlder := base.Version() < m.Version // than what the new one was made of
	own, ok := next.Node(self.Name)
	switch {
	case len(m.Conf) > maxConf:
		return conflict("corosync.conf has %d bytes, expected at most %d", len(m.Conf), maxConf)
	case next.Cluster() != now.Cluster():
		return conflict("the configuration is of the cluster %q, and this node is in %q", next.Cluster(), now.Cluster())
	case !ok || own.ID != self.ID:
		return conflict("the configuration does not have this node with its id %d", self.ID)
	case next.Version() < inEffect:
		return conflict("version %d of corosync.conf is in effect here, and version %d was to replace it: invite from this node", inEffect, next.Version())
	case bytes.Equal(file, m.Conf):
		return nil
	case !isOlder && !bytes.Equal(sum(file), m.Sum), next.Version() <= base.Version():
		return conflict("%s here (version %d) is another one than on the inviting node, and would be lost: make them equal, or invite from this node", n.conf(), base.Version())
	}
	return nil
}

// putBack brings back the former corosync.conf if corosync has not read the new one.
func (n member) putBack(ctx context.Context, kept stash) {
	if kept.Stored == nil {
		return
	}
	version, err := n.cfg.inEffect(ctx)
	if err != nil {
		return // corosync does not run: it will read the file, or a later command deals with it
	}
	if now, err := n.file(); err == nil && !kept.isIn(version) && bytes.Equal(now, kept.Stored) {
		if err := writeConf(n.conf(), kept.Former); err != nil {
			n.tell(Event{Step: "sync", State: "warning", Text: "the former corosync.conf is not back: " + err.Error()})
			return
		}
	}
	n.forgetStash()
}
