package history

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/pacemaker"
)

const (
	// maxFile and maxInput limit an input as it is kept, and as XML. A CIB of a thousand
	// resources has 3 MB of XML.
	maxFile  = 4 << 20
	maxInput = 16 << 20
	// maxOperations limits how many operations of a transition are listed.
	maxOperations = 1000
)

// A Transition is one run of the scheduler, by the input that the DC has kept of it.
type Transition struct {
	// ID orders transitions by time: "20261129T131400Z-input-12-1a2b3c4d". Its end is the
	// beginning of the digest of the input.
	ID string `json:"id"`
	// Time is when the scheduler ran, by the DC's clock, to the second.
	Time time.Time `json:"time"`
	// Tag is input; warning or error if the scheduler had a reason for one: a failed
	// operation, a fenced node, a mistake in the configuration.
	Tag string `json:"tag"`
	// File is the name that Pacemaker has given to the input: pe-input-12.bz2.
	File string `json:"file"`
	// DC is the node that ran the scheduler; empty: the input does not tell.
	DC     string        `json:"dc"`
	Epoch  cluster.Epoch `json:"epoch"`
	Quorum bool          `json:"quorum"`
	// Change is the last change of the configuration before; nil: the input does not tell.
	Change *Change `json:"change,omitempty"`
	// Operations have ended since the input before, the latest last.
	Operations []Operation `json:"operations,omitempty"`
	// Decisions are what the scheduler decided. Known is false until it has been asked.
	Decisions []cluster.Consequence `json:"decisions,omitempty"`
	Known     bool                  `json:"known"`
}

// A Change of the configuration, as Pacemaker notes it in the CIB.
type Change struct {
	Time   time.Time `json:"time"`
	User   string    `json:"user,omitempty"`
	Client string    `json:"client,omitempty"` // the program: cibadmin, crm_resource
	Node   string    `json:"node,omitempty"`   // where it ran
}

// An Operation is the result of an action of a resource agent or a fence agent.
type Operation struct {
	Node       string `json:"node"`
	Resource   string `json:"resource"`
	Name       string `json:"operation"` // start, stop, monitor, migrate_to …
	IntervalMS int    `json:"intervalMs"`
	Call       int    `json:"call"`
	Code       int    `json:"code"`   // the agent's exit code
	Status     int    `json:"status"` // of the execution: 0 done, 1 cancelled, 2 timed out …
	// Time is when it began, or, of a recurring one, when its result last changed.
	Time       time.Time `json:"time"`
	DurationMS int       `json:"durationMs"`
	QueuedMS   int       `json:"queuedMs"`
	Reason     string    `json:"reason,omitempty"` // by the agent, without secrets
}

// failed reports whether an operation is a failure: its status is none of pending, done and
// cancelled, or its code is none of success, not running and promoted. Probes find what
// runs: 0, 7 and 8 are results.
func (o Operation) failed() bool {
	return !slices.Contains([]int{-1, 0, 1}, o.Status) || !slices.Contains([]int{0, 7, 8, 190, 193}, o.Code)
}

// key tells operations apart over inputs.
func (o Operation) key() string {
	return fmt.Sprintf("%s %s %s %d %d %d %d", o.Node, o.Resource, o.Name, o.IntervalMS, o.Call, o.Code, o.Time.Unix())
}

// inputName is the name of an input: series and number.
var inputName = regexp.MustCompile(`^pe-(input|warn|error)-([0-9]{1,9})(\.bz2)?$`)

// isInput reports whether a file has the name of an input.
func isInput(name string) bool { return inputName.MatchString(name) }

// errPartial is the cause of an error about an input that is not complete, or no input.
var errPartial = errors.New("is not a complete input of the scheduler")

// read reads an input with the name that Pacemaker has given it. kept is the time of the
// file, for an input that has none.
func read(name string, data []byte, kept time.Time) (Transition, *pacemaker.CIB, error) {
	parts := inputName.FindStringSubmatch(name)
	if parts == nil {
		return Transition{}, nil, fmt.Errorf("%q is no name of an input: expected pe-input-1.bz2", name)
	}
	text, err := expand(data)
	if err != nil {
		return Transition{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	root, err := cibxml.Parse(text)
	if err != nil {
		return Transition{}, nil, fmt.Errorf("%s %w: %w", name, errPartial, err)
	}
	cib, err := pacemaker.ParseCIB(text)
	if err != nil {
		return Transition{}, nil, fmt.Errorf("%s %w: %w", name, errPartial, err)
	}
	t := Transition{
		File: name, Tag: map[string]string{"input": "input", "warn": "warning", "error": "error"}[parts[1]],
		Time: secondsOr(root.Attr("execution-date"), kept), DC: nodeName(root, root.Attr("dc-uuid")),
		Epoch: cib.Epoch, Quorum: cibxml.IsTrue(root.Attr("have-quorum")), Change: change(root),
		Operations: operations(root, cib),
	}
	sum := sha256.Sum256(text)
	t.ID = t.Time.Format("20060102T150405Z") + "-" + t.Tag + "-" + parts[2] + "-" + hex.EncodeToString(sum[:4])
	return t, cib, nil
}

// expand is the XML of an input, which may be compressed.
func expand(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte("BZh")) {
		return data, nil
	}
	text, err := io.ReadAll(io.LimitReader(bzip2.NewReader(bytes.NewReader(data)), maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errPartial, err)
	case len(text) > maxInput:
		return nil, fmt.Errorf("has more than %d bytes of XML", maxInput)
	}
	return text, nil
}

// secondsOr is a time in seconds since 1970, or else another.
func secondsOr(text string, other time.Time) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return other.UTC().Truncate(time.Second)
	}
	return time.Unix(n, 0).UTC()
}

// nodeName is the name of a node by its id; empty: unknown.
func nodeName(root *cibxml.Element, id string) string {
	if id == "" {
		return ""
	}
	for _, n := range root.Child("configuration", "nodes").Descendants("node") {
		if n.Attr("id") == id {
			return n.Attr("uname")
		}
	}
	return ""
}

// lastWritten is the form of the time of a change: "Sun Nov 29 13:14:00 2026", in the zone
// of the node that wrote it. The text does not name it, so it is read as that of this node.
const lastWritten = "Mon Jan 2 15:04:05 2006"

func change(root *cibxml.Element) *Change {
	at, err := time.ParseInLocation(lastWritten, strings.Join(strings.Fields(root.Attr("cib-last-written")), " "), time.Local)
	if err != nil {
		return nil
	}
	return &Change{Time: at.UTC(), User: root.Attr("update-user"), Client: root.Attr("update-client"), Node: root.Attr("update-origin")}
}

// operations are the results in an input, the latest last.
func operations(root *cibxml.Element, cib *pacemaker.CIB) []Operation {
	var out []Operation
	for _, state := range root.Child("status").Descendants("node_state") {
		for _, r := range state.Descendants("lrm_resource") {
			for _, op := range r.Descendants("lrm_rsc_op") {
				if o := operation(op); o.Status >= 0 { // else it has not ended
					o.Node, o.Resource, o.Reason = state.Attr("uname"), r.Attr("id"), cib.Hide(o.Reason)
					out = append(out, o)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Operation) int { return a.Time.Compare(b.Time) })
	return out
}

func operation(e *cibxml.Element) Operation {
	number := func(name string) int {
		n, _ := strconv.Atoi(e.Attr(name)) // 0 if there is none
		return n
	}
	return Operation{
		Name: e.Attr("operation"), IntervalMS: number("interval"), Call: number("call-id"), Code: number("rc-code"), Status: number("op-status"),
		Time: secondsOr(e.Attr("last-rc-change"), time.Time{}), DurationMS: number("exec-time"), QueuedMS: number("queue-time"),
		Reason: e.Attr("exit-reason"),
	}
}

// news are the operations of a transition that another does not have.
func news(list, before []Operation) []Operation {
	known := make(map[string]bool, len(before))
	for _, o := range before {
		known[o.key()] = true
	}
	out := slices.DeleteFunc(slices.Clone(list), func(o Operation) bool { return known[o.key()] })
	return out[max(0, len(out)-maxOperations):]
}
