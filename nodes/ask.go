package nodes

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"thalassa/lb"
)

// Path is where the API of an agent answers other agents.
const Path = "/cluster/node"

// Bounds of a question to another node.
const (
	connectWithin = 3 * time.Second

	answerWithin = 10 * time.Second
	maxReply     = 64 << 10 // bytes
	// nextAddress is how long an address of an agent may be silent before the next one is tried as well.
	nextAddress = 200 * time.Millisecond
)

// An UnreachableError says that the agent of a node has not answered.
type UnreachableError struct {
	Node string
	Err  error
}

// Error is the cause; who has asked knows the node.
func (e *UnreachableError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// errNoAddress is why a node is not asked.
var errNoAddress = errors.New("its agent has told no address that other nodes can reach: see the setting host, and whether the agent is of this version")

// newTransport carries questions. Whether an answer is of the node that was asked, its seal
// tells. So certificates do not matter, which a node may renew while the cluster is down.
func newTransport() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: connectWithin}).DialContext,
			TLSHandshakeTimeout:    connectWithin,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // see above
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxReply,
		},
	}
}

// A door is where the agent of a node answers, or why none does there.
type door struct {
	base      string
	challenge Challenge
	err       error
}

// ask asks the agent of another node at one of its URLs: the first that answers, whichever others do
// not. The question itself is sent to one at a time. The error is an *UnreachableError unless that node
// itself has refused.
func (c *Crew) ask(ctx context.Context, node, verb string, q Question) (Report, error) {
	seeking, stop := context.WithCancel(ctx)
	defer stop()
	urls := c.cfg.Roster.URLs(node)
	doors := make(chan door, len(urls))
	err := errNoAddress
	for begun, ended := 0, 0; ended < len(urls); {
		var next <-chan time.Time
		if begun < len(urls) {
			base := urls[begun]
			begun++
			go func() { doors <- c.knock(seeking, base, node) }()
			next = time.After(nextAddress)
		}
		select {
		case <-next:
			continue
		case d := <-doors:
			ended++
			var r Report
			if err = d.err; err == nil {
				r, err = c.askAt(ctx, d, node, verb, q)
			}
			if refused := (*refusedError)(nil); err == nil || errors.As(err, &refused) {
				return r, err
			}
		}
	}
	return Report{}, &UnreachableError{Node: node, Err: err}
}

// knock gets the challenge of the agent at one URL.
func (c *Crew) knock(ctx context.Context, base, node string) door {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	d := door{base: base}
	if err := c.send(ctx, http.MethodPost, base+Path+"/challenge", nil, &d.challenge); err != nil {
		d.err = errors.New(err.Error()) // it may be of another machine
	} else if d.challenge.Node != node {
		d.err = fmt.Errorf("%s is the agent of %.100q", base, d.challenge.Node)
	}
	return d
}

// askAt asks at one URL.
func (c *Crew) askAt(ctx context.Context, at door, node, verb string, q Question) (r Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	key, err := c.cfg.Local.sharedKey(ctx)
	if err != nil {
		return r, err
	}
	q.Node, q.Nonce, q.Fresh, q.From = node, at.challenge.Nonce, fresh(), c.cfg.Roster.Self()
	if q.message != nil {
		if q.Body, err = encrypted(key, q, "question", q.message); err != nil {
			return r, err
		}
	}
	q = q.sealed(key, verb)
	var a Answer
	if err := c.send(ctx, http.MethodPost, at.base+Path+"/"+verb, q, &a); err != nil {
		return r, err
	}
	return a.open(q, key)
}

// A refusedError is an answer that is none to the question.
type refusedError struct {
	message string
	status  int // of HTTP
}

// Error is what the agent has said.
func (e *refusedError) Error() string { return e.message }

// isConflict reports whether an agent has refused for what is under way on its node.
func isConflict(err error) bool {
	refused, is := errors.AsType[*refusedError](err)
	return is && refused.status == http.StatusConflict
}

// send sends a request, and reads the answer into out.
func (c *Crew) send(ctx context.Context, method, address string, body, out any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	most := int64(maxReply)
	if q, is := body.(Question); is && q.message != nil {
		most = MaxQuestion
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(text, out)
	}
	var refusal struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(text, &refusal) // else there is no message
	message := fmt.Sprintf("%s answers %d %.300s", address, res.StatusCode, strings.ToValidUTF8(refusal.Error, ""))
	return &refusedError{message: message, status: res.StatusCode}
}

// here asks this node.
func (c *Crew) here(ctx context.Context, verb string, q Question) (Report, error) {
	r, err := c.cfg.Local.Obey(ctx, verb, q.By, q)
	if err != nil {
		if _, conflict := errors.AsType[*lb.ConflictError](err); !conflict {
			err = &lb.UnavailableError{What: c.cfg.Roster.Self() + ": " + err.Error()}
		}
	}
	return r, err
}
