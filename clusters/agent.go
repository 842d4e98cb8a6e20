package clusters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/client"
	"thalassa/cluster"
)

const (
	// askTimeout is how long an agent has for a whole answer, besides the time that it is asked to
	// wait.
	askTimeout = 5 * time.Second
	// passTimeout is how long all agents together have for a request that is passed on, and passWait
	// how much longer than askTimeout one of them may take: it may have to simulate the cluster.
	passTimeout = 30 * time.Second
	passWait    = 15 * time.Second

	// Bytes of answers: the state of a cluster, the version of its CIB, anything else.
	maxStatus   = 2 << 20
	maxVersion  = 4 << 10
	maxDocument = 8 << 20

	// Of one cluster; Pacemaker's own limits are far below.
	maxNodes     = 1000
	maxResources = 20_000
	// maxParts bounds the lists, objects and their elements of a state, before they are decoded. Each
	// may need 200 bytes. The state of real resources has one in 14 bytes of JSON.
	maxParts = 200_000
	// mostDecoded is how many states are decoded at the same time.
	mostDecoded = 2

	// leastRetry and mostRetry are how long an agent that gave no usable answer is not asked, after
	// the first time and after many.
	leastRetry = time.Second
	mostRetry  = 30 * time.Second
)

// An agent is one of those of a cluster.
type agent struct {
	source  Source
	address string
	client  *client.Client
	now     func() time.Time
	// decoding has one slot for each state that is decoded, of whatever cluster.
	decoding chan struct{}

	mu       sync.Mutex
	failures int // one after the other
	retry    time.Time
	problem  string
	trouble  string // the problem as it is compared
}

func newAgent(s Source, address string, now func() time.Time, decoding chan struct{}) (*agent, error) {
	c, err := s.client(address)
	return &agent{source: s, address: address, client: c, now: now, decoding: decoding}, err
}

// read reads a document, with the token of the settings. Nothing else is sent but what r says.
func (a *agent) read(ctx context.Context, r client.Reading) (client.Document, error) {
	if a.source.fault != nil {
		return client.Document{}, a.source.fault
	}
	var err error
	if r.Token, err = a.source.token(); err != nil {
		return client.Document{}, err
	}
	return client.Read(ctx, a.client, r)
}

// status asks for the state of the cluster.
func (a *agent) status(ctx context.Context) (cluster.Status, error) {
	doc, err := a.read(ctx, client.Reading{Path: "/cluster", Most: maxStatus})
	if err != nil {
		return cluster.Status{}, err
	}
	select {
	case a.decoding <- struct{}{}:
		defer func() { <-a.decoding }()
	case <-ctx.Done():
		return cluster.Status{}, ctx.Err()
	}
	return parseStatus(doc)
}

// parseStatus reads the state of a cluster, and refuses what no agent would say.
func parseStatus(doc client.Document) (cluster.Status, error) {
	var v cluster.Status
	if err := checkDocument(doc, "application/json"); err != nil {
		return v, err
	}
	if err := checkParts(doc.Data); err != nil {
		return v, err
	}
	if err := json.Unmarshal(doc.Data, &v); err != nil {
		return v, errors.New("the answer is not the state of a cluster")
	}
	switch {
	case !slices.Contains(cluster.States(), v.State):
		return v, errors.New("the answer is not the state of a cluster, expected a known state")
	case len(v.Nodes) > maxNodes || len(v.Resources) > maxResources:
		return v, fmt.Errorf("the answer has %d nodes and %d resources, expected at most %d and %d", len(v.Nodes), len(v.Resources), maxNodes, maxResources)
	}
	return whole(v), nil
}

// checkParts refuses a state that would need far more memory than it has bytes: three of them may
// be a resource.
func checkParts(valid []byte) error {
	parts, isText := 0, false
	var elements []int // of each open list and object, the outermost first
	for i := 0; i < len(valid); i++ {
		switch c := valid[i]; {
		case isText && c == '\\':
			i++
		case c == '"':
			isText = !isText
		case isText:
		case c == '{' || c == '[':
			elements = append(elements, 1)
			parts++
		case c == '}' || c == ']':
			elements = elements[:len(elements)-1]
		case c == ',':
			if elements[len(elements)-1]++; elements[len(elements)-1] > maxResources {
				return fmt.Errorf("the answer has a list of more elements than expected, expected at most %d", maxResources)
			}
			parts++
		}
		if parts > maxParts {
			return fmt.Errorf("the answer has more lists, objects and elements than expected, expected at most %d", maxParts)
		}
	}
	return nil
}

// whole is a status without lists that are null.
func whole(v cluster.Status) cluster.Status {
	v.Reasons, v.Nodes, v.Resources, v.FloatingIPs, v.Failures = orEmpty(v.Reasons), orEmpty(v.Nodes), orEmpty(v.Resources), orEmpty(v.FloatingIPs), orEmpty(v.Failures)
	for i := range v.Nodes {
		v.Nodes[i].Resources = orEmpty(v.Nodes[i].Resources)
	}
	for i := range v.Resources {
		v.Resources[i].Places = orEmpty(v.Resources[i].Places)
	}
	for i := range v.FloatingIPs {
		v.FloatingIPs[i].Nodes = orEmpty(v.FloatingIPs[i].Nodes)
	}
	return v
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// await returns when the cluster's CIB has another version than a known one, or after some time.
// The agent has grace for its answer beside that.
func (a *agent) await(ctx context.Context, known cluster.Epoch, wait, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait+grace)
	defer cancel()
	_, err := a.read(ctx, client.Reading{Path: "/monitor?" + known.String() + "&wait=" + wait.String(), Wait: wait, Most: maxVersion})
	return err
}

// isDue reports whether the agent may be asked now.
func (a *agent) isDue() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.now().Before(a.retry)
}

// note remembers how the agent has answered, and returns whether that is news.
func (a *agent) note(err error) (isNews bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.trouble
	if err == nil {
		a.failures, a.retry, a.problem, a.trouble = 0, time.Time{}, "", ""
		return before != ""
	}
	pause := min(leastRetry<<min(a.failures, 10), mostRetry)
	a.failures++
	a.retry, a.problem = a.now().Add(pause), problemOf(err)
	a.trouble = withoutNumbers(a.problem)
	return a.trouble != before
}

// withoutNumbers is a problem without what differs each time: its own ports, the time.
func withoutNumbers(problem string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, problem)
}

// state is how the agent answers.
func (a *agent) state() cluster.AgentState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return cluster.AgentState{Address: a.address, Problem: a.problem, Retry: a.retry}
}

// problemOf is why an agent gives no usable answer, for callers: a short text that names no file.
func problemOf(err error) string {
	const most = 300
	text := err.Error()
	if failed, ok := errors.AsType[*url.Error](err); ok { // of which the address is known
		text = failed.Err.Error()
	}
	if own, ok := errors.AsType[fileError](err); ok {
		text = own.Error()
	}
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// checkDocument refuses an answer of another type, such as a page of something in between.
func checkDocument(doc client.Document, types ...string) error {
	media, _, err := mime.ParseMediaType(doc.Type)
	switch {
	case err != nil || !slices.Contains(types, media):
		return fmt.Errorf("the answer is of the type %q, expected %s", brief(doc.Type), types[0])
	case media == "application/json" && !json.Valid(doc.Data):
		return errors.New("the answer is no JSON")
	}
	return nil
}

// brief is the beginning of a text.
func brief(text string) string { return text[:min(len(text), 50)] }
