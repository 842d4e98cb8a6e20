package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/corosync"
	"thalassa/internal/wake"
)

// admit lets one node join. Afterwards it is online, or the cluster is as it was.
func (h *host) admit(ctx context.Context, g *guest) {
	defer g.stop()
	name := g.hello.Node
	if !g.isThere() {
		_ = g.conn.Close()
		return
	}
	u, err := h.examine(g)
	if err != nil {
		h.refuse(g, err)
		return
	}
	u.id, u.node = g.hello.ID, name
	h.tell(Event{Step: "node", State: "begin", Node: name, Text: "the node joins the cluster"})
	if err := h.add(ctx, g, u); err != nil {
		h.tell(Event{Step: "node", State: "failed", Node: name, Text: err.Error()})
		if !u.handed {
			*u = use{} // the node has nothing of the cluster, and may try again as a new one
		}
		back := h.takeOut(ctx, name)
		if back != nil {
			h.stuck[name] = back
			h.tell(Event{Step: "node", State: "failed", Node: name, Text: fmt.Sprintf("%v; %v", err, back)})
		}
		h.refuse(g, errors.Join(err, back))
		if u.handed {
			h.tell(Event{
				Step: "node", State: "warning", Node: name,
				Text: fmt.Sprintf("node %s has the key of the cluster, and has not joined. Only the same node can join with this code now. "+
					"If you do not know it, end this command and replace %s on all nodes", name, h.node.key()),
			})
		}
		return
	}
	u.done = true
	delete(h.stuck, name)
	h.keep(ctx, name, g.link)
	_ = g.send(message{Type: msgDone, More: h.left()}) // it sees itself that it is a member
	h.tell(Event{Step: "node", State: "done", Node: name, Text: "the node is online"})
}

// isThere reports whether the node still waits for the configuration.
func (g *guest) isThere() bool {
	m, err := g.ask(message{Type: msgReady})
	return err == nil && m.Type == msgReady
}

// examine checks who a node says it is, and returns the use of the code.
func (h *host) examine(g *guest) (*use, error) {
	m := g.hello
	if m.ID == "" || len(m.ID) > maxCode {
		return nil, errors.New("id: expected that of the node's journal")
	}
	i := slices.IndexFunc(h.uses, func(u use) bool { return u.id == m.ID })
	if i < 0 {
		i = slices.IndexFunc(h.uses, func(u use) bool { return u.id == "" })
	}
	if i < 0 {
		return nil, conflict("the code has been used by %s; thalassa cluster invite makes another one", h.uses[0].node)
	}
	conf, _, _, err := h.readCluster()
	if err != nil {
		return nil, err
	}
	_, isNew, err := withNode(conf, m)
	if err == nil && !isNew && h.uses[i].id != m.ID {
		_, err = conf.Add(corosync.Node{Name: m.Node, Addresses: m.Addresses}) // says what is in use
	}
	return &h.uses[i], err
}

// withNode is a configuration with the node that a message is from. It may have it already: the node
// comes again.
func withNode(conf corosync.Config, m message) (next corosync.Config, isNew bool, err error) {
	if there, ok := conf.Node(m.Node); ok && slices.Equal(there.Addresses, m.Addresses) {
		return conf, false, nil
	}
	next, err = conf.Add(corosync.Node{Name: m.Node, Addresses: m.Addresses})
	return next, true, err
}

func (h *host) refuse(g *guest, err error) {
	_ = g.send(message{Type: msgRefused, Text: err.Error()}) // it learns it, or is gone
	_ = g.conn.Close()
}

// add adds a node to the cluster, and waits until it is online.
func (h *host) add(ctx context.Context, g *guest, u *use) error {
	name := g.hello.Node
	waiting, cancel := context.WithDeadline(ctx, h.code.Expires)
	defer cancel()
	h.cfg.BeforeStep("spread")
	conf, err := spreading{h}.spread(waiting, func(now corosync.Config, file []byte) (corosync.Config, error) {
		next, isNew, err := withNode(now, g.hello)
		if err != nil || !isNew { // else the journal has what was before
			return next, err
		}
		return next, h.journal.setAdding(&addition{Node: name, Former: file})
	}, name)
	if err != nil {
		return err
	}
	h.cfg.BeforeStep("hand over")
	if !g.isThere() {
		return fmt.Errorf("node %s does not wait any more", name)
	}
	u.handed = true
	if err := g.send(message{Type: msgConf, Conf: conf.Bytes(), Key: h.key}); err != nil {
		return fmt.Errorf("answering node %s: %w", name, err)
	}
	if err := h.follow(ctx, g); err != nil {
		return err
	}
	h.cfg.BeforeStep("settle")
	if err := h.awaitOnline(ctx, name, h.cfg.Settle); err != nil {
		return err
	}
	return h.journal.setAdding(nil)
}

// follow tells what a node does, until it says that it is a member, for a time that no sign of life
// renews. The silence of one that is online does not matter.
func (h *host) follow(ctx context.Context, g *guest) error {
	name, within := g.hello.Node, followFor*h.cfg.Settle
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("node %s has not become a member within %s", name, within))
	defer cancel()
	end := context.AfterFunc(ctx, func() { _ = g.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer end()
	for told := 0; ; {
		m, err := g.receive(maxHello, h.cfg.Silence)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			if h.awaitOnline(ctx, name, h.cfg.Silence/2) == nil {
				return nil
			}
			return fmt.Errorf("node %s: it has gone silent: %w", name, err)
		}
		switch m.Type {
		case msgAlive:
		case msgStep:
			if told < maxGuestSteps && isGuestStep(m) {
				told++
				h.tell(Event{Step: m.ID, State: m.State, Node: name, Text: m.Text})
			}
		case msgMember:
			return nil
		case msgFailed:
			return fmt.Errorf("node %s: %s", name, m.Text)
		default:
			return fmt.Errorf("node %s: expected member or failed, got %q", name, m.Type)
		}
	}
}

// maxGuestSteps bounds what a node that joins may tell of its steps.
const maxGuestSteps = 100

// isGuestStep reports whether a message is about a step of a node that joins. All else is for this
// node to say.
func isGuestStep(m message) bool {
	return slices.Contains([]string{stepStop, stepCIB, stepKey, stepConf, stepCorosync, stepPacemaker, stepMember}, m.ID) &&
		slices.Contains([]string{"begin", "done", "kept", "undone", "failed"}, m.State)
}

// leftBehind is about nodes that could be neither added nor taken out again; nil: there are none.
func (h *host) leftBehind() error {
	all := make([]error, 0, len(h.stuck))
	for _, name := range slices.Sorted(maps.Keys(h.stuck)) {
		all = append(all, h.stuck[name])
	}
	return errors.Join(all...)
}

// takeOut takes a node out of the cluster that could not be added, also after the end of ctx.
func (h *host) takeOut(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeOutWithin)
	defer cancel()
	if err := h.withoutNode(ctx, name); err != nil {
		return fmt.Errorf("taking node %s out again: %w; thalassa cluster invite tries again", name, err)
	}
	if err := h.forget(ctx, name); err != nil {
		return err
	}
	delete(h.stuck, name)
	h.tell(Event{Step: "node", State: "undone", Node: name, Text: "the node is not in the cluster"})
	return h.journal.setAdding(nil)
}

// withoutNode brings back the configuration without a node. One with the node that no corosync has
// read yet is only a file.
func (h *host) withoutNode(ctx context.Context, name string) error {
	conf, _, _, err := h.readCluster()
	if err != nil {
		return err
	}
	if _, ok := conf.Node(name); !ok {
		return nil
	}
	newest, err := spreading{h}.newestInEffect(ctx)
	if err != nil {
		return err
	}
	if adding, err := h.journal.adding(); err != nil {
		return err
	} else if adding != nil && newest < conf.Version() {
		spreading{h}.storeBack(slices.Collect(maps.Keys(h.connected())), conf.Bytes(), adding.Former)
		return writeConf(h.conf(), adding.Former)
	}
	_, err = spreading{h}.spread(ctx, func(now corosync.Config, _ []byte) (corosync.Config, error) { return now.Remove(name) }, name)
	return err
}

// forget removes what Pacemaker remembers of a node, and returns when it has forgotten it: its
// configuration and its controllers.
//
// A controller never forgets a node by itself, and writes all that it remembers into the
// configuration when a node comes or goes, or another one becomes the DC. crm_node from 2.0.5 to
// 2.1.6 sends the controller its question and ends without an answer, and what a busy controller has
// not read by then is lost. So the list of the controller is read back, and the question repeated.
// One controller passes it on to all in one order, which those of other nodes get as well.
func (h *host) forget(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, forgetWithin)
	defer cancel()
	for {
		where, err := h.remembers(ctx, name)
		if err != nil || where == "" {
			return err
		}
		if _, err := h.cfg.tool(ctx, "crm_node", "--force", "--remove", name); err != nil {
			return err
		}
		if wake.Pause(ctx, 250*time.Millisecond) != nil {
			return fmt.Errorf("node %s is still known to Pacemaker (%s) after %s", name, where, forgetWithin)
		}
	}
}

// remembers says what of Pacemaker knows a node; empty: nothing does.
func (h *host) remembers(ctx context.Context, name string) (where string, err error) {
	s, err := h.cfg.Cluster.Now(ctx)
	if err != nil {
		return "", err
	}
	if s.NodeNamed(name).Name != "" {
		return "its configuration", nil
	}
	peers, err := h.cfg.tool(ctx, "crm_node", "--list")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(peers) { // ID NAME STATE
		if f := strings.Fields(line); len(f) > 1 && strings.EqualFold(f[1], name) {
			return "its controller", nil
		}
	}
	return "", nil
}

// settle deals with a node that an earlier run was adding when it ended: one that is online has
// joined, any other one is taken out.
func (h *host) settle(ctx context.Context) (joined bool, err error) {
	adding, err := h.journal.adding()
	if err != nil || adding == nil {
		return false, err
	}
	if h.awaitOnline(ctx, adding.Node, h.cfg.Silence) == nil {
		h.tell(Event{Step: "node", State: "kept", Node: adding.Node, Text: "the node is online"})
		return true, h.journal.setAdding(nil)
	}
	return false, h.takeOut(ctx, adding.Node)
}
