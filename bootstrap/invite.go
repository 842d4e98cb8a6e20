package bootstrap

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"thalassa/corosync"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
)

const (
	defaultFor  = 15 * time.Minute
	longestFor  = 24 * time.Hour
	shortestFor = 10 * time.Second
	// wrongAfter is the time until a wrong secret is answered. More is not needed: the secret
	// has 80 bits.
	wrongAfter = time.Second
	// followFor is how many times Config.Settle a node has until it is a member.
	followFor = 3
	// takeOutWithin bounds the way back when a node could not be added.
	takeOutWithin = 2 * time.Minute
	// forgetWithin bounds the time until Pacemaker has forgotten a node.
	forgetWithin = time.Minute
)

// An Invitation lets other nodes join the cluster of this one.
type Invitation struct {
	Nodes int           // how many nodes may join with the code
	For   time.Duration // how long the code is valid (15 minutes)
	Port  uint16        // on the node's first address (DefaultPort)
}

// check reports what is wrong with an invitation of at least a number of nodes.
func (i Invitation) check(least int) error {
	if i.For < shortestFor || i.For > longestFor {
		return &corosync.FieldError{Field: "for", Value: i.For.String(), Expected: fmt.Sprintf("%s to %s", shortestFor, longestFor)}
	}
	if i.Port == 0 {
		return &corosync.FieldError{Field: "port", Value: "0", Expected: "1 to 65535"}
	}
	if i.Nodes < least || i.Nodes >= corosync.MaxNodes {
		return &corosync.FieldError{Field: "nodes", Value: strconv.Itoa(i.Nodes), Expected: fmt.Sprintf("%d to %d", least, corosync.MaxNodes-1)}
	}
	return nil
}

// Invite lets other nodes join the cluster of this node, until all have joined, the code has
// expired or ctx ends. The cluster may be one that Thalassa has not made. When it returns without
// error, all of them are online. The error is also about nodes that could be neither added nor taken
// out again.
func Invite(ctx context.Context, cfg Config, i Invitation) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer n.close()
	if n.journal.exists && !n.journal.Complete {
		return conflict("an earlier command has not ended on this node: run it again, or take it back with thalassa cluster leave")
	}
	if err := i.check(1); err != nil {
		return err
	}
	joined, err := n.settleAdding(ctx, i)
	if err != nil {
		return err
	}
	if joined {
		i.Nodes--
	}
	return n.invite(ctx, i)
}

// A use of a code belongs to the node that has used it first.
type use struct {
	id, node string
	handed   bool // it has got the key
	done     bool
}

// A host is the node that invites.
type host struct {
	*node
	self string // its name
	key  []byte
	code code
	cert tls.Certificate
	uses []use
	// stuck has why nodes that could not be added were not taken out again, by their names.
	stuck map[string]error

	joins chan *guest // nodes that want to join; they are dealt with one at a time
	door  door

	mu      sync.Mutex
	members map[string]*link // that take new configurations
	came    wake.Poke
}

// A guest is a node that wants to join.
type guest struct {
	*link
	hello message
	stop  func() // the signs of life of this side
}

// readCluster reads the files of the cluster of this node.
func (n *node) readCluster() (conf corosync.Config, self corosync.Node, key []byte, err error) {
	data, err := safefile.Read(n.conf(), maxConf)
	if err == nil {
		conf, err = corosync.Parse(data)
	}
	if err != nil {
		return conf, self, nil, fmt.Errorf("reading the configuration of the cluster: %w", err)
	}
	own, err := n.cfg.Addresses()
	if err != nil {
		return conf, self, nil, err
	}
	i := slices.IndexFunc(conf.Nodes(), func(node corosync.Node) bool { return isAnyOf(own, node.Addresses) })
	if i < 0 || conf.HasOnlyLoopback() {
		return conf, self, nil, conflict("%s has no node with an address of this machine: it is in no cluster", n.conf())
	}
	if err := conf.CheckNames(); err != nil {
		return conf, self, nil, conflict("%s: %v", n.conf(), err)
	}
	if !conf.IsEncrypted() {
		return conf, self, nil, conflict("the cluster is not encrypted (crypto_cipher): its nodes have no common key")
	}
	if setting := conf.OwnKey(n.key()); setting != "" {
		return conf, self, nil, conflict("%s in %s says where the key of the cluster is: expected it in %s, without this setting", setting, n.conf(), n.key())
	}
	key, err = safefile.Read(n.key(), maxKey)
	if err != nil {
		return conf, self, nil, fmt.Errorf("reading the key of the cluster: %w", err)
	}
	return conf, conf.Nodes()[i], key, nil
}

func isAnyOf(own []netip.Addr, addresses []string) bool {
	return slices.ContainsFunc(addresses, func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && slices.Contains(own, a)
	})
}

// invite lets a number of nodes join.
func (n *node) invite(ctx context.Context, i Invitation) error {
	if i.Nodes == 0 {
		return nil
	}
	return n.serveNodes(ctx, i, (*host).host)
}

// settleAdding deals with a node that an earlier run was adding when it ended, where and for as long
// as an invitation says. Nobody joins with it.
func (n *node) settleAdding(ctx context.Context, i Invitation) (joined bool, err error) {
	if adding, err := n.journal.adding(); err != nil || adding == nil {
		return false, err
	}
	i.Nodes = 0
	err = n.serveNodes(ctx, i, func(h *host, ctx context.Context) error {
		joined, err = h.settle(ctx)
		return err
	})
	return joined, err
}

// serveNodes serves connections of other nodes while work goes on.
func (n *node) serveNodes(ctx context.Context, i Invitation, work func(*host, context.Context) error) error {
	if err := n.asMember().recover(ctx); err != nil {
		return err
	}
	_, self, key, err := n.readCluster()
	if err != nil {
		return err
	}
	h := &host{
		node: n, self: self.Name, key: key, uses: make([]use, i.Nodes), stuck: map[string]error{},
		joins: make(chan *guest, corosync.MaxNodes), members: map[string]*link{}, came: wake.NewPoke(),
	}
	if err := h.makeCode(self, i); err != nil {
		return err
	}
	listener, err := n.cfg.Listen(ctx, "tcp", h.code.Address.String())
	if err != nil {
		return fmt.Errorf("listening for nodes: %w", err)
	}
	serving, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { h.accept(serving, listener) })
	err = work(h, serving)
	h.dismiss()
	cancel()
	err = errors.Join(err, listener.Close())
	done.Wait()
	h.dismiss() // who has come meanwhile
	return err
}

func (h *host) makeCode(self corosync.Node, i Invitation) error {
	address, err := netip.ParseAddr(self.Addresses[0])
	if err != nil {
		return conflict("ring0_addr of node %s is the host name %s: expected an address", self.Name, self.Addresses[0])
	}
	now := time.Now()
	h.code = code{Address: netip.AddrPortFrom(address, i.Port), Expires: now.Add(i.For).Truncate(time.Second)}
	_, _ = rand.Read(h.code.Secret[:]) // never fails
	if h.cert, err = newCertificate(now, h.code.Expires); err != nil {
		return fmt.Errorf("making the certificate of the invitation: %w", err)
	}
	h.code.Digest = digest(h.cert.Certificate[0])
	return nil
}

// host deals with one node after the other.
func (h *host) host(ctx context.Context) error {
	expires := h.code.Expires
	h.tell(Event{
		Step: "code", State: "waiting", Node: h.self, Code: h.code.String(), Expires: &expires,
		Text: "waiting for " + count(h.left(), "more node"),
	})
	limited, cancel := context.WithDeadline(ctx, h.code.Expires)
	defer cancel()
	for h.left() > 0 {
		select {
		case <-limited.Done():
			err := context.Cause(ctx)
			if err == nil {
				err = conflict("the code has expired, and %s did not join; thalassa cluster invite makes another code", count(h.left(), "node"))
			}
			return errors.Join(err, h.leftBehind())
		case g := <-h.joins:
			h.admit(ctx, g)
		}
	}
	return h.leftBehind()
}

// count is a number of things, such as 1 node or 2 nodes.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (h *host) left() int {
	left := 0
	for _, u := range h.uses {
		if !u.done {
			left++
		}
	}
	return left
}

// accept serves connections until the listener is closed.
func (h *host) accept(ctx context.Context, listener net.Listener) {
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{h.cert}, SessionTicketsDisabled: true}
	var done sync.WaitGroup
	defer done.Wait()
	for {
		raw, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			if wake.Pause(ctx, 100*time.Millisecond) != nil { // out of descriptors
				return
			}
			continue
		}
		visit, stop := context.WithCancel(ctx)
		v := h.door.enter(raw, stop)
		done.Go(func() {
			defer stop()
			h.serve(ctx, visit, v, tls.Server(raw, config))
		})
	}
}

// serve finds out who has connected during a visit, and hands the connection over.
func (h *host) serve(ctx, visit context.Context, v *visitor, conn *tls.Conn) {
	l, kept := newLink(conn), false
	defer func() {
		if !kept {
			_ = conn.Close()
		}
	}()
	hello, err := h.greet(visit, l)
	if err == nil {
		err = h.checkHello(l, hello)
		if err != nil && (hello.Type != msgJoin || wake.Pause(visit, wrongAfter) == nil) {
			_ = l.send(message{Type: msgRefused, Text: err.Error()}) // it learns it, or is gone
		}
	}
	if !h.door.leave(v) || err != nil {
		return
	}
	if hello.Type == msgJoin {
		kept = h.enqueue(ctx, l, hello)
	} else {
		kept = h.isMemberLink(ctx, l, hello)
	}
}

// greet waits until a connection has said who it is, for a time that nothing renews.
func (h *host) greet(ctx context.Context, l *link) (message, error) {
	end := time.Now().Add(handshakeWithin)
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	if err := l.conn.HandshakeContext(ctx); err != nil {
		return message{}, err
	}
	return l.receive(maxHello, time.Until(end))
}

// checkHello reports why nobody who says this is let in.
func (h *host) checkHello(l *link, hello message) error {
	switch hello.Type {
	case msgJoin:
		if subtle.ConstantTimeCompare(hello.Secret, h.code.Secret[:]) != 1 {
			return errors.New("the code is wrong")
		}
	case msgSync:
		if want, err := l.proof(h.key, sideMember); err != nil || !hmac.Equal(want, hello.Proof) {
			return errors.New("the key of the cluster is another one")
		}
	default:
		return errors.New("type: expected join or sync")
	}
	return nil
}

// enqueue passes on a node that has the secret of the code.
func (h *host) enqueue(ctx context.Context, l *link, hello message) bool {
	stop := l.staysAlive(ctx, h.cfg.Silence)
	select {
	case h.joins <- &guest{l, hello, stop}:
		return true
	default:
		stop()
		_ = l.send(message{Type: msgRefused, Text: "too many nodes join at the same time"}) // it learns it, or is gone
		return false
	}
}

// isMemberLink keeps the connection of a member, to which this node proves that it has the key too.
func (h *host) isMemberLink(ctx context.Context, l *link, hello message) bool {
	own, err := l.proof(h.key, sideServer)
	if err != nil || l.send(message{Type: msgSync, Proof: own}) != nil {
		return false
	}
	h.keep(ctx, hello.Node, l)
	return true
}

// keep uses a connection for new configurations, in place of an earlier one of the same node.
func (h *host) keep(ctx context.Context, name string, l *link) {
	l.staysAlive(ctx, h.cfg.Silence) // ends with the connection
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.members[name]; old != nil && old != l {
		_ = old.conn.Close()
	}
	h.members[name] = l
	h.came.Send()
}

// dismiss tells all members that there will be no more configurations.
func (h *host) dismiss() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.members {
		_ = l.send(message{Type: msgEnd}) // it notices the end of the connection as well
		_ = l.conn.Close()
	}
	clear(h.members)
	for {
		select {
		case g := <-h.joins:
			g.stop()
			h.refuse(g, errors.New("the invitation has ended"))
		default:
			return
		}
	}
}
