package jobs

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
)

// A record is what the agents keep of a job.
type record struct {
	cluster.Job

	// Version grows with each change of the record by the node of the job.
	Version uint64 `json:"version"`
	// Request is a digest of the request, keyed with the Idempotency-Key, which is not
	// stored; empty: the request had none.
	Request string `json:"request,omitempty"`
	// Action is what an action is about; nil: the job changes the configuration.
	Action *target `json:"action,omitempty"`
	// WaitFor limits the time for the cluster to settle.
	WaitFor time.Duration `json:"waitFor"`
	// Written is how many writes were made; Was is pacemaker.Step.Was.
	Written int    `json:"written"`
	Was     string `json:"was,omitempty"`
	// Foretold are the places of what was to move, From those before.
	Foretold map[string]string `json:"foretold,omitempty"`
	From     map[string]string `json:"from,omitempty"`
	// Restarts are the nodes on which HAProxy restarts one after the other. Under this name it hides
	// the Nodes of the job, which are those of Action.
	Restarts []string `json:"nodes,omitempty"`
	// Taken: another node than that of the job has gone on with a startup or shutdown, which the
	// first may have ended without being heard.
	Taken bool `json:"taken,omitempty"`
	// Passed: the job of nodes has counted those that take others down, and has found nothing under
	// way that must not come together with it, see carrier.pass. Until then, it has asked no node
	// for anything.
	Passed bool `json:"passed,omitempty"`
	// Looks: the agent that has begun the job of nodes notes Passed. Those of former versions do so
	// only for a job that takes one node down.
	Looks bool `json:"looks,omitempty"`
	// Missing are the nodes that were not as asked when the time of a startup or shutdown was over.
	Missing []string `json:"missing,omitempty"`
}

// A target is what an action is about.
type target struct {
	Node     string `json:"node,omitempty"`
	Resource string `json:"resource,omitempty"`
	Ticket   string `json:"ticket,omitempty"`
	// Nodes and Down are of a forget.
	Nodes []string `json:"nodes,omitempty"`
	Down  bool     `json:"down,omitempty"`
}

// action is what the job is to do, if it is an action: Action is not nil.
func (r record) action() cluster.Action {
	return cluster.Action{
		Kind: r.Kind, Node: r.Action.Node, Resource: r.Action.Resource, Ticket: r.Action.Ticket, Nodes: r.Action.Nodes, Down: r.Action.Down,
		Wait: r.WaitFor, Author: r.Author,
	}
}

// untouched ends the result of a job that has changed nothing.
const untouched = "; nothing was changed"

// Codes of jobs that were refused: the condition of the request did not hold, or HAProxy does not
// accept the configuration.
const (
	codePrecondition = "precondition_failed"
	codeRefused      = "refused"
)

// isInterrupted reports whether the job may begin again.
func (r record) isInterrupted() bool {
	return r.State == cluster.JobFailed && r.Code == cluster.JobInterrupted && r.Written == 0
}

// mark is that of a write of the job.
func (r record) mark(n int) string { return r.ID + "." + strconv.Itoa(n) }

// newer is the newer one of two records of the same job. Every node comes to the same result.
func newer(a, b record) record {
	first := cmp.Or(
		cmp.Compare(a.Attempts, b.Attempts), compareBool(a.Over(), b.Over()), compareBool(!a.isInterrupted(), !b.isInterrupted()),
		compareBool(a.Over() && !a.Taken, b.Over() && !b.Taken),
		cmp.Compare(a.Version, b.Version), cmp.Compare(b.Node, a.Node),
	)
	out, other := a, b
	if first < 0 {
		out, other = b, a
	}
	if !out.Over() && out.Attempts == other.Attempts {
		out.CanceledBy = cmp.Or(out.CanceledBy, other.CanceledBy)
	}
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// sum is a number for what newer looks at.
func (r record) sum() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %v %d %s %s", r.ID, r.Attempts, r.Over(), r.Version, r.Node, r.CanceledBy)
	return h.Sum64()
}

// idForm is the form of ids.
var idForm = regexp.MustCompile(`^[0-9a-f]{20}$`)

const (
	// maxDocument bounds a record as JSON, in bytes.
	maxDocument = 256 << 10
	// maxPacked bounds a record in a message, in bytes: a message has other things, too.
	maxPacked = maxText - 8<<10
)

// fitted is the record, and its document, which every node can read and pass on. What only tells of
// the job is cut first, then what is foretold of it. What it takes to go on with the job is short.
func (r record) fitted() (record, []byte, error) {
	for _, b := range []struct{ list, text int }{{200, 2000}, {50, 2000}, {20, 1000}, {5, 1000}, {0, 500}, {0, 100}} {
		next := r
		next.Job = r.Shortened(b.list, b.text)
		if b.list == 0 {
			next.Foretold, next.From = nil, nil
		}
		doc, err := encodeRecord(next)
		if err != nil {
			return r, nil, err
		}
		if isFit, err := fits(doc); isFit || err != nil {
			return next, doc, err
		}
	}
	return r, nil, fmt.Errorf("job %.20s is larger than %d bytes", r.ID, maxDocument)
}

// fits reports whether other nodes take a document, and a message with it.
func fits(doc []byte) (bool, error) {
	if len(doc) > maxDocument || len(doc) < maxPacked/2 { // what cannot be packed is a third larger
		return len(doc) <= maxDocument, nil
	}
	text, err := message{Jobs: []json.RawMessage{doc}}.encode()
	return len(text) <= maxPacked, err
}

// parseRecord reads a record that another node has sent.
func parseRecord(data []byte) (record, error) {
	if len(data) > maxDocument {
		return record{}, fmt.Errorf("it has %d bytes, expected at most %d", len(data), maxDocument)
	}
	return readRecord(data)
}

// readRecord reads a record that was stored: those of former versions may be larger.
func readRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return r, errors.New("it is no job of this version of thalassa")
	}
	if !idForm.MatchString(r.ID) {
		return r, errors.New("it has no id")
	}
	switch r.State {
	case cluster.JobRunning, cluster.JobDone, cluster.JobFailed, cluster.JobTimedOut, cluster.JobCanceled:
	default:
		return r, errors.New("its state is unknown")
	}
	if r.Action != nil {
		if err := r.action().Check(); err != nil {
			return r, err
		}
		r.Nodes = r.Action.Nodes
	}
	if r.Over() && r.Changed == nil {
		r.Changed = r.hasChanged()
	}
	r.Job = r.Bounded()
	return r, nil
}

// hasChanged is Changed of a job that is over and comes from an agent that does not note it. nil: what
// it has noted does not say.
func (r record) hasChanged() *bool {
	switch {
	case r.isOfNodes() && r.Written > 0:
		return new(r.mayAsk())
	case r.State == cluster.JobDone && r.Action == nil:
		return new(len(r.Changes) > 0)
	case r.Written > 0, r.State == cluster.JobTimedOut:
		return new(true)
	case r.isInterrupted(), strings.HasSuffix(r.Result, untouched):
		return new(false)
	}
	return nil
}

// idOf is the same for the same author and key on each node.
func idOf(o cluster.Order) string {
	if o.Key == "" {
		data := make([]byte, 10)
		_, _ = rand.Read(data) // never fails
		return hex.EncodeToString(data)
	}
	return o.JobID()
}

// requestOf is the digest of a request. It is keyed, so that nobody who reads it can guess a
// secret in the body.
func requestOf(o cluster.Order) string {
	if o.Key == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(o.Author+"\x00"+o.Key))
	mac.Write(o.Body)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// A message is what a node tells the others.
type message struct {
	// Boot tells one start of the agent from another; Beat grows with each message.
	Boot string `json:"boot"`
	Beat uint64 `json:"beat"`
	// Seq is that of the last of Jobs.
	Seq  uint64            `json:"seq"`
	Jobs []json.RawMessage `json:"jobs,omitempty"`
	// Acks are the boot and Seq of other nodes up to which their jobs are on disk here.
	Acks map[string]string `json:"acks,omitempty"`
	// Sums are those of all jobs by the beginnings of their ids, see sums.
	Sums string `json:"sums"`
	// Ask are nodes that are asked whether they live.
	Ask []string `json:"ask,omitempty"`
}

// maxMessage bounds a message that is unpacked, in bytes.
const maxMessage = 8 << 20

func (m message) encode() (string, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(data); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(packed.Bytes()), nil
}

func parseMessage(text string) (m message, err error) {
	packed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return m, errors.New("it is no message of this version of thalassa")
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return m, errors.New("it is no message of this version of thalassa")
	}
	data, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err != nil || len(data) > maxMessage || json.Unmarshal(data, &m) != nil {
		return m, errors.New("it is no message of this version of thalassa, or too large")
	}
	return m, nil
}

// buckets is the number of sums.
const buckets = 256

// sums are numbers for all records whose ids begin with the same byte, as 4 hexadecimal
// digits each. Two nodes with the same jobs have the same sums.
func sums(records map[string]record) string {
	var all [buckets]uint64
	for id, r := range records {
		all[bucketOf(id)] ^= r.sum()
	}
	low := make([]byte, 0, 2*buckets)
	for _, n := range all {
		low = binary.BigEndian.AppendUint16(low, uint16(n&0xffff))
	}
	return hex.EncodeToString(low)
}

func bucketOf(id string) int {
	n, _ := strconv.ParseUint(id[:2], 16, 8) // an id is hexadecimal
	return int(n)
}

// differing are the buckets whose sums differ.
func differing(a, b string) map[int]bool {
	out := map[int]bool{}
	for i := range buckets {
		if from := 4 * i; len(a) == 4*buckets && len(b) == 4*buckets && a[from:from+4] != b[from:from+4] {
			out[i] = true
		}
	}
	return out
}
