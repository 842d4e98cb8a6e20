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

// New returns a client of the stats socket at path. It opens nothing. Root, the user of this
// program and the users with the given ids may listen there. Nothing is sent to a socket of anybody
// else; the error is a *ForeignError.
func New(path string, users ...uint32) *Client {
	return &Client{endpoint{path: path, kind: "stats socket", trust: trusting(users)}}
}

// Do sends one command line and returns HAProxy's answer, without the blank line that ends it; ""
// is the answer of commands that succeed silently. HAProxy reports errors the same way ("No such
// server."), so the caller has to check the text. Several commands may be joined by ";". A command
// with a line break is an error, and not sent. HAProxy accepts lines up to its buffer size
// (tune.bufsize, 16 KB). It does not answer a longer one, which is an error when the deadline is
// reached.
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

// ShowStatOf is ShowStat for the lines of one kind in one proxy, or in all of them when proxy is
// negative. The proxy is named by its number (Stat.ProxyID): a name may belong to a frontend and a
// backend, and HAProxy reads one that begins with digits as a number. The numbers differ from
// worker to worker; an unknown number gives no lines.
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

// refusal makes an error of an answer that has not the expected form. It quotes HAProxy.
func refusal(text string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		return errors.New("answer is empty")
	}
	return fmt.Errorf("haproxy answered %q", line)
}
