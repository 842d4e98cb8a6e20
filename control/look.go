package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A question is whether HAProxy has a socket open.
type question struct {
	owner  socketOwner
	looked bool       // the sockets of some HAProxy of that user could be read
	answer chan error // one slot; nil: HAProxy does not hold it
}

// ask waits for a look that begins from now on, or does it itself.
func (p *Peers) ask(ctx context.Context, owner socketOwner) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("finding out where the connection comes from: %w", err)
	}
	q := &question{owner: owner, answer: make(chan error, 1)}
	p.queue.Add(q)
	looking := p.looking
	for {
		select {
		case err := <-q.answer:
			return err
		case looking <- struct{}{}:
			p.look(ctx, p.queue.Take(math.MaxInt))
			<-looking
			looking = nil // this question is answered, or another look is about to
		case <-ctx.Done():
			p.queue.Remove(q)
			return fmt.Errorf("finding out where the connection comes from: %w", ctx.Err())
		}
	}
}

// look answers questions by reading the sockets of every HAProxy once.
func (p *Peers) look(ctx context.Context, open []*question) {
	if len(open) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), peerTime) // the others wait, too
	defer cancel()
	all, err := p.processes()
	if err != nil {
		for _, q := range open {
			q.answer <- err
		}
		return
	}
	for _, h := range all {
		open = p.lookAt(ctx, h, open)
	}
	for _, q := range open {
		q.answer <- p.unseen(q)
	}
}

// lookAt answers the questions that one HAProxy answers, and returns the others.
func (p *Peers) lookAt(ctx context.Context, h process, open []*question) (left []*question) {
	asked := map[string]bool{}
	for _, q := range open {
		if q.owner.uid == h.uid { // a socket's user is that of the process that has opened it
			asked[q.owner.link()] = true
		}
	}
	if len(asked) == 0 {
		return open
	}
	held, err := p.held(ctx, h.pid, asked)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return open // it has ended meanwhile
	case errors.Is(err, os.ErrPermission) && (h.leads || p.isForeign(h.pid)):
		return open // the master opens no connections, and another one is nobody's here
	case errors.Is(err, os.ErrPermission) && p.ends(ctx, h.pid):
		return open
	}
	for _, q := range open {
		switch link := q.owner.link(); {
		case q.owner.uid != h.uid:
			left = append(left, q)
		case held[link]:
			q.answer <- ErrHAProxy
		case err != nil:
			q.answer <- fmt.Errorf("it is not known whether the connection comes from HAProxy, which runs as the same user: %w", err)
		default:
			q.looked = true
			left = append(left, q)
		}
	}
	return left
}

// unseen is the answer for a socket that was not found in any HAProxy.
func (p *Peers) unseen(q *question) error {
	if own := os.Geteuid(); !q.looked && own != 0 && int64(own) != int64(q.owner.uid) && slices.Contains(p.users, q.owner.uid) {
		return errors.New("it cannot be told whether the connection comes out of HAProxy, whose user it has")
	}
	return nil
}

// ends waits for the end of a process that has given back its memory, which is how its end begins. The
// kernel shows its descriptors as root's from then on. It returns false for one that goes on.
func (p *Peers) ends(ctx context.Context, pid int) bool {
	for {
		if _, still := p.haproxy(pid); !still {
			return true
		}
		if size, err := p.read(pid, "statm"); err == nil && !strings.HasPrefix(size, "0 ") {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// link is what proc(5) shows for a descriptor of the socket.
func (o socketOwner) link() string { return "socket:[" + strconv.FormatUint(uint64(o.inode), 10) + "]" }

// held returns which of some sockets a process has open.
func (p *Peers) held(ctx context.Context, pid int, links map[string]bool) (map[string]bool, error) {
	dir, err := os.Open(filepath.Join(p.proc, strconv.Itoa(pid), "fd"))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	found := map[string]bool{}
	for len(found) < len(links) {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			link, err := os.Readlink(filepath.Join(dir.Name(), name))
			if err != nil && !errors.Is(err, os.ErrNotExist) { // it has been closed meanwhile
				return found, err
			}
			if strings.HasPrefix(link, "socket:") && links[link] {
				found[link] = true
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return found, err
		case ctx.Err() != nil:
			return found, ctx.Err()
		}
	}
	return found, nil
}
