package statsock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Client asks the worker that serves.
type Client struct {
	endpoint
}

// New returns a client of the stats socket at path. It opens nothing. Root, the user
// of this program and those whose ids are given may listen there; somebody else's
// socket is not asked, which gives a *ForeignError.
func New(path string, users ...uint32) *Client {
	return &Client{endpoint{path: path, kind: "stats socket", trust: trusting(users)}}
}

// Do sends one command line and returns HAProxy's answer, without the blank
// line that ends it; "" is the answer of commands that succeed silently.
// HAProxy says in the same way what it refuses ("No such server."), so the
// caller judges the text. Several commands may be joined by ";". A command with
// a line break is refused unsent. HAProxy takes lines up to its buffer size
// (tune.bufsize, 16 KB); to a longer one it gives no answer, which is an error
// when the deadline is reached.
func (c *Client) Do(ctx context.Context, command string) (string, error) {
	return c.answer(ctx, command)
}

// ShowInfo asks who answers and how busy it is.
func (c *Client) ShowInfo(ctx context.Context) (Info, error) {
	text, err := c.answer(ctx, "show info")
	if err != nil {
		return Info{}, err
	}
	return readInfo(text)
}

// ShowStat asks for the statistics of every frontend, backend, server and
// listener, in HAProxy's order: a frontend, then the next proxy, a backend's
// servers before the backend itself.
func (c *Client) ShowStat(ctx context.Context) ([]Stat, error) {
	return c.showStat(ctx, "show stat")
}

// ShowStatOf is ShowStat for the lines of one kind in one proxy, or in all of
// them when proxy is negative. The proxy is named by its number (Stat.ProxyID):
// a name may belong to a frontend and a backend, and HAProxy reads one that
// begins with digits as a number. Each worker numbers anew; a number that it
// does not have gives no lines.
func (c *Client) ShowStatOf(ctx context.Context, proxy int, kind Kind) ([]Stat, error) {
	return c.showStat(ctx, fmt.Sprintf("show stat %d %d -1", max(proxy, -1), 1<<kind))
}

func (c *Client) showStat(ctx context.Context, command string) ([]Stat, error) {
	var stats []Stat
	err := c.ask(ctx, command, func(r io.Reader) error {
		var err error
		if stats, err = readStats(r); err != nil {
			return fmt.Errorf("reading show stat: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return stats, nil
}

// refusal makes an error of an answer that is not of the expected form, in
// HAProxy's words.
func refusal(text string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		return errors.New("answer is empty")
	}
	return fmt.Errorf("haproxy answered %q", line)
}
