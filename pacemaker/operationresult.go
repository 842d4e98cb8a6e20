package pacemaker

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// Operations are the results of operations that the status of the CIB has, the latest last. It
// keeps the last one of each kind and interval, and the last that failed.
func (c *CIB) Operations() []cluster.OperationResult {
	var out []cluster.OperationResult
	for _, state := range c.root.Child("status").Descendants("node_state") {
		for _, r := range state.Descendants("lrm_resource") {
			for _, op := range r.Descendants("lrm_rsc_op") {
				if o := operationResult(op); o.Status >= 0 { // else it has not ended
					o.Node, o.Resource, o.Reason = state.Attr("uname"), r.Attr("id"), c.Hide(o.Reason)
					out = append(out, o)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b cluster.OperationResult) int { return a.Time.Compare(b.Time) })
	return out
}

func operationResult(e *cibxml.Element) cluster.OperationResult {
	number := func(name string) int {
		n, _ := strconv.Atoi(e.Attr(name)) // 0 if there is none
		return n
	}
	o := cluster.OperationResult{
		Name: e.Attr("operation"), IntervalMS: number("interval"), Call: number("call-id"), Code: number("rc-code"), Status: number("op-status"),
		Time: sinceEpoch(e.Attr("last-rc-change")), DurationMS: number("exec-time"), QueuedMS: number("queue-time"),
		Reason: e.Attr("exit-reason"),
	}
	o.Meaning = cluster.Meaning(o.Code, o.Status)
	o.Failed = o.Status > endedOnPurpose || !cluster.IsDegraded(o.Code) && !slices.Contains(expectedCodes(e, o), o.Code)
	return o
}

// endedOnPurpose is the status of an operation that was canceled; 0 is that of one that
// was carried out (pcmk_exec_status in crm/common/results.h).
const endedOnPurpose = 1

// expectedCodes are the exit codes of an operation that are no failure: the one that the scheduler
// expected, the third number of the transition key; those of a probe.
func expectedCodes(e *cibxml.Element, o cluster.OperationResult) []int {
	var codes []int
	if o.Name == "monitor" && o.IntervalMS == 0 {
		codes = append(codes, 0, 7, 8)
	}
	code := 0
	if parts := strings.Split(e.Attr("transition-key"), ":"); len(parts) == 4 {
		code, _ = strconv.Atoi(parts[2]) // 0: success
	}
	return append(codes, code)
}

// sinceEpoch is a time in seconds since 1970; zero: there is none.
func sinceEpoch(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
