package cluster

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A JobState is how far a job is.
type JobState string

// States of jobs.
const (
	JobRunning  JobState = "running"
	JobDone     JobState = "done"
	JobFailed   JobState = "failed"    // Result says why, and whether something was changed
	JobTimedOut JobState = "timed-out" // the change is made; the cluster did not settle in time
	JobCanceled JobState = "canceled"
)

// JobInterrupted is the Code of a job whose node was lost before its first write: it may begin again.
const JobInterrupted = "interrupted"

// JobNotAllowed is the Code of a job that Pacemaker's ACLs forbid its author.
const JobNotAllowed = "not_allowed"

// JobKinds are the kinds of jobs that are no actions.
const (
	// JobConfigure changes objects of the configuration.
	JobConfigure = "configure"
)

// Bounds of what is kept of jobs.
const (
	MaxJobs     = 10_000
	MaxJobAge   = 90 * 24 * time.Hour
	MaxJobBytes = 64 << 20 // of all jobs, as JSON
	// maxJobList bounds the lists of a job, and maxJobText each text in bytes.
	maxJobList = 200
	maxJobText = 2000
)

// A Job is a change of the cluster that somebody has asked for: an action, or edits of the
// configuration. It has no secrets.
type Job struct {
	ID    string   `json:"id"` // 20 hexadecimal digits
	Kind  string   `json:"kind"`
	State JobState `json:"state"`
	// Author is who has asked for it; Node is whose agent carries it out.
	Author string `json:"author"`
	Node   string `json:"node"`
	// Object is what it is about, e.g. "resource/vip".
	Object string `json:"object"`
	// Nodes are those of a forget, which may be several.
	Nodes []string  `json:"nodes,omitempty"`
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
	// Commands are what was run, or the edits without their bodies.
	Commands []string `json:"commands"`
	// Changes of the configuration by edits, one line each.
	Changes []string `json:"changes,omitempty"`
	// Epochs are versions of the CIB: from which the job was computed, and when it ended.
	Epochs JobEpochs `json:"epochs"`
	// Predicted is what the scheduler foretold, Actual what has happened.
	Predicted []Consequence `json:"predicted"`
	Actual    []Consequence `json:"actual"`
	// Deviations say where the cluster is not as foretold. Empty: nowhere, or it is not
	// known yet.
	Deviations []string `json:"deviations"`
	// Changed: it has changed the cluster, also if that was taken back since. nil: it is not known, or
	// not yet.
	Changed *bool `json:"changed,omitempty"`
	// Commit tells one commit of a draft from another: config.Committing has it, too. Empty: the job
	// commits no draft.
	Commit string `json:"commit,omitempty"`
	// Result is a sentence about the end; Code is that of the error. Empty: there is none.
	Result string `json:"result"`
	Code   string `json:"code,omitempty"`
	// Rollout is what a rollout has done; nil: the job is none.
	Rollout *RolledOut `json:"rollout,omitempty"`
	// Kept are the nodes that had the job before its first write.
	Kept []string `json:"kept"`
	// CanceledBy is who has canceled it.
	CanceledBy string `json:"canceledBy,omitempty"`
	// Attempts is how often it was begun: a job that was interrupted before its first write
	// is begun again when it is asked for again.
	Attempts int `json:"attempts"`
}

// JobEpochs are versions of the CIB.
type JobEpochs struct {
	Before Epoch `json:"before"`
	After  Epoch `json:"after"`
}

// IsAbout reports whether the job is about an object, as Object names it.
func (j Job) IsAbout(object string) bool {
	node, isNode := strings.CutPrefix(object, "node/")
	return j.Object == object || isNode && slices.Contains(j.Nodes, node)
}

// About is what the job is about in words: its Object, or several nodes.
func (j Job) About() string {
	if len(j.Nodes) > 1 {
		return "nodes " + strings.Join(j.Nodes, ", ")
	}
	return j.Object
}

// IsMade reports whether the job has ended, and the cluster is as it asks, or was.
func (j Job) IsMade() bool {
	return j.State == JobDone || j.State == JobTimedOut || j.Over() && j.Changed != nil && *j.Changed
}

// Over reports whether the job has ended.
func (j Job) Over() bool { return j.State != JobRunning }

// Bounded is the job with lists and texts of limited size, and no list that is nil.
func (j Job) Bounded() Job { return j.Shortened(maxJobList, maxJobText) }

// minJobNodes is how many nodes a job keeps in Nodes and Kept, however short it is: corosync has no
// more than 32.
const minJobNodes = 32

// Shortened is Bounded with at most so many of each list, and bytes of each text.
func (j Job) Shortened(list, text int) Job {
	b := bounds{min(list, maxJobList), min(text, maxJobText)}
	nodes := bounds{max(b.list, minJobNodes), b.text}
	j.Commands, j.Changes, j.Deviations = b.texts(j.Commands), b.texts(j.Changes), b.texts(j.Deviations)
	if j.Nodes != nil {
		j.Nodes = nodes.texts(j.Nodes)
	}
	j.Kept = nodes.texts(j.Kept)
	j.Predicted, j.Actual = b.consequences(j.Predicted), b.consequences(j.Actual)
	j.Result = b.cut(j.Result)
	for _, text := range []*string{&j.ID, &j.Kind, &j.Author, &j.Node, &j.Object, &j.Code, &j.CanceledBy, &j.Commit} { // which are compared
		*text = boundedText(*text)
	}
	if j.Rollout != nil {
		j.Rollout = j.Rollout.bounded(b)
	}
	return j
}

// bounds are how many of each list are kept, and how many bytes of each text.
type bounds struct{ list, text int }

func boundedText(s string) string { return bounds{maxJobList, maxJobText}.cut(s) }

func boundedTexts(list []string) []string { return bounds{maxJobList, maxJobText}.texts(list) }

func (b bounds) cut(s string) string {
	if len(s) > b.text {
		return s[:b.text] + "…"
	}
	return s
}

func (b bounds) texts(list []string) []string {
	out := make([]string, 0, min(len(list), b.list))
	for _, s := range list[:min(len(list), b.list)] {
		out = append(out, b.cut(s))
	}
	return out
}

func (b bounds) consequences(list []Consequence) []Consequence {
	out := slices.Clone(list[:min(len(list), b.list)])
	for i := range out {
		for _, text := range []*string{&out[i].Action, &out[i].Resource, &out[i].Node, &out[i].From, &out[i].Reason} {
			*text = b.cut(*text)
		}
	}
	if out == nil {
		return []Consequence{}
	}
	return out
}

// Expired are the ids of jobs that are not kept any more: the oldest beyond MaxJobs or
// MaxJobBytes, and those older than MaxJobAge. sizes are their bytes by id. Running jobs are
// kept.
func Expired(jobs []Job, sizes map[string]int, now time.Time) []string {
	sorted := slices.Clone(jobs)
	slices.SortFunc(sorted, func(a, b Job) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(a.ID, b.ID)) })
	var out []string
	bytes := 0
	for i, j := range sorted {
		bytes += sizes[j.ID]
		if j.Over() && (i >= MaxJobs || bytes > MaxJobBytes || now.Sub(j.Begun) > MaxJobAge) {
			out = append(out, j.ID)
		}
	}
	return out
}
