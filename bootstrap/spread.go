package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/corosync"
	"thalassa/internal/safefile"
	"thalassa/internal/wake"
)

const (
	// storeWithin bounds the time in which a member stores a configuration.
	storeWithin = 20 * time.Second
	// effectWithin bounds the time after a reload until all nodes use what they have read.
	effectWithin = 10 * time.Second
)

// A change makes one configuration of another one, which it gets as it is in the file.
type change func(now corosync.Config, file []byte) (corosync.Config, error)

// A spreading is a node that gives others a new configuration.
type spreading struct{ *host }

// spread changes the configuration on all nodes of it but some, has corosync everywhere use it, and
// returns it when it does. What the change begins with is read when all nodes are ready: that may
// take long, and somebody else may change the file meanwhile.
func (h spreading) spread(ctx context.Context, by change, without ...string) (corosync.Config, error) {
	file, now, others, err := h.awaitOthers(ctx, without)
	if err != nil {
		return now, err
	}
	next, err := by(now, file)
	if err != nil {
		return next, err
	}
	if len(others) > 0 {
		if err := h.spreader().Spread(ctx, others, file, next.Bytes()); err != nil {
			return next, err
		}
	}
	h.cfg.BeforeStep("write")
	if err := h.replace(file, next.Bytes()); err != nil {
		h.storeBack(others, next.Bytes(), file)
		return next, err
	}
	if err := h.cfg.reload(ctx, next.Version()); err != nil {
		return next, errors.Join(err, h.goBack(ctx, others, next, file))
	}
	return next, h.checkMembers(ctx, others, next)
}

// repeat has all other nodes use the configuration that this one has in effect, as far as they do not.
func (h spreading) repeat(ctx context.Context) error {
	file, now, others, err := h.awaitOthers(ctx, nil)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(name string) bool {
		l := h.member(name)
		if l == nil { // another Spreader deals with it
			return h.cfg.Spread != nil
		}
		answer, err := l.ask(message{Type: msgVersion})
		return err == nil && answer.Version == now.Version() && bytes.Equal(answer.Sum, sum(file))
	})
	if len(others) == 0 {
		return nil
	}
	if err := h.spreader().Spread(ctx, others, file, file); err != nil {
		return err
	}
	if err := h.cfg.reload(ctx, now.Version()); err != nil {
		return err
	}
	return h.checkMembers(ctx, others, now)
}

// goBack brings back the former file on all nodes, unless corosync on any has read the new one. It
// also does after the end of ctx.
func (h spreading) goBack(ctx context.Context, others []string, next corosync.Config, former []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), effectWithin)
	defer cancel()
	newest, err := h.newestInEffect(ctx)
	if err != nil || newest >= next.Version() {
		return err
	}
	h.storeBack(others, next.Bytes(), former)
	return h.replace(next.Bytes(), former)
}

// replace writes corosync.conf of this node, unless somebody else has changed it meanwhile.
func (h spreading) replace(former, next []byte) error {
	now, err := h.file()
	if err != nil {
		return err
	}
	if !bytes.Equal(now, former) {
		return conflict("somebody else has changed %s: run the command again", h.conf())
	}
	return writeConf(h.conf(), next)
}

// awaitOthers waits until all other nodes of the configuration can store another one, and reads it.
func (h spreading) awaitOthers(ctx context.Context, without []string) (file []byte, now corosync.Config, others []string, err error) {
	for ready := []string(nil); ; ready = others {
		if now, _, _, err = h.readCluster(); err != nil {
			return nil, now, nil, err
		}
		others = nil
		for _, node := range now.Nodes() {
			if node.Name != h.self && !slices.Contains(without, node.Name) {
				others = append(others, node.Name)
			}
		}
		if slices.Equal(others, ready) {
			break
		}
		if err := h.spreader().Await(ctx, others); err != nil {
			return nil, now, nil, err
		}
	}
	if file, err = h.file(); err != nil {
		return nil, now, nil, err
	}
	now, err = corosync.Parse(file)
	return file, now, others, err
}

func (h spreading) spreader() Spreader {
	if h.cfg.Spread != nil {
		return h.cfg.Spread
	}
	return h
}

// file is corosync.conf as it is.
func (n *node) file() ([]byte, error) {
	data, err := safefile.Read(n.conf(), maxConf)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the cluster: %w", err)
	}
	return data, nil
}

// sum identifies the bytes of a corosync.conf.
func sum(file []byte) []byte {
	all := sha256.Sum256(file)
	return all[:]
}

// Spread gives each node the configuration. A node whose connection ends before corosync has read
// the file puts the former one back.
func (h spreading) Spread(_ context.Context, nodes []string, base, conf []byte) error {
	now, err := corosync.Parse(base)
	if err != nil {
		return err
	}
	for i, name := range nodes {
		err := h.storeOn(name, message{Type: msgConf, Conf: conf, Sum: sum(base), Version: now.Version()})
		if err == nil {
			continue
		}
		h.storeBack(nodes[:i], conf, base)
		return fmt.Errorf("node %s: %w", name, err)
	}
	return nil
}

// storeBack brings back the former configuration on nodes that have stored another one. Those that
// do not answer lose their connection, and do it by themselves.
func (h spreading) storeBack(nodes []string, conf, former []byte) {
	for _, name := range nodes {
		l := h.member(name)
		if l != nil && l.store(message{Type: msgConf, Conf: former, Sum: sum(conf)}) != nil {
			h.lose(name, l)
		}
	}
}

func (h spreading) storeOn(name string, m message) error {
	l := h.member(name)
	if l == nil {
		return errors.New("the connection has ended")
	}
	err := l.store(m)
	if err != nil && !errors.As(err, new(*ConflictError)) {
		h.lose(name, l)
	}
	return err
}

// Await waits until all of these nodes have a connection that works.
func (h spreading) Await(ctx context.Context, nodes []string) error {
	told := false
	for {
		missing := slices.DeleteFunc(slices.Clone(nodes), h.answers)
		if len(missing) == 0 {
			return nil
		}
		list := strings.Join(missing, ", ")
		if !told {
			told = true
			h.tell(Event{
				Step: "sync", State: "waiting", Node: h.self,
				Text: "these nodes need the new corosync.conf: " + list + ". On each of them, run: thalassa cluster sync",
			})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for thalassa cluster sync on %s: %w", list, context.Cause(ctx))
		case <-h.came:
		}
	}
}

// answers reports whether a node has a connection that works.
func (h spreading) answers(name string) bool {
	l := h.member(name)
	if l == nil {
		return false
	}
	if _, err := l.ask(message{Type: msgVersion}); err != nil {
		h.lose(name, l)
		return false
	}
	return true
}

func (h *host) member(name string) *link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.members[name]
}

// lose forgets a connection that has failed.
func (h *host) lose(name string, l *link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = l.conn.Close()
	if h.members[name] == l {
		delete(h.members, name)
	}
}

// store gives a member a configuration.
func (l *link) store(m message) error {
	answer, err := l.ask(m)
	switch {
	case err != nil:
		return err
	case answer.Type == msgRefused:
		return &ConflictError{answer.Text}
	case answer.Type != msgStored:
		return fmt.Errorf("expected stored, got %s", answer.Type)
	}
	return nil
}

// ask sends a message and waits for the answer.
func (l *link) ask(m message) (message, error) {
	return l.exchange(m, storeWithin)
}

// checkMembers waits until the members have a configuration in effect. Those that another Spreader
// has dealt with have no connection.
func (h spreading) checkMembers(ctx context.Context, names []string, conf corosync.Config) error {
	ctx, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	for _, name := range names {
		for l := h.member(name); l != nil; {
			answer, err := l.ask(message{Type: msgVersion})
			if err != nil {
				return fmt.Errorf("asking node %s: %w", name, err)
			}
			if answer.Version == conf.Version() && bytes.Equal(answer.Sum, sum(conf.Bytes())) {
				break
			}
			if wake.Pause(ctx, 250*time.Millisecond) != nil {
				return fmt.Errorf("node %s has version %d of corosync.conf in effect, expected version %d and the same file as here (%s)",
					name, answer.Version, conf.Version(), cmp.Or(answer.Text, "no error there"))
			}
		}
	}
	return nil
}

// newestInEffect is the newest version of the configuration that this node or a connected one uses.
func (h spreading) newestInEffect(ctx context.Context) (uint64, error) {
	newest, err := h.cfg.inEffect(ctx)
	if err != nil {
		return 0, err
	}
	for name, l := range h.connected() {
		answer, err := l.ask(message{Type: msgVersion})
		if err != nil {
			h.lose(name, l)
		}
		newest = max(newest, answer.Version)
	}
	return newest, nil
}

func (h *host) connected() map[string]*link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.members)
}
