package lb

import (
	"fmt"
	"math"
	"strconv"
)

// CanaryFigures are the statistics of the members of one or more versions since a step
// of a canary began.
type CanaryFigures struct {
	// Requests that they were sent.
	Requests int64
	// ServerErrors are their responses with a status from 500 on.
	ServerErrors int64
	// Errors are requests without a complete response of theirs, or that another
	// member got because connecting to them failed.
	Errors int64
	// Responses that ResponseTimeMS is the mean of.
	Responses int64
	// ResponseTimeMS is the mean time to the head of a response; 0: there was none.
	// HAProxy has no percentiles.
	ResponseTimeMS float64
}

// Percent is n of the requests. An error may be counted before its request is.
func (f CanaryFigures) Percent(n int64) float64 {
	if n == 0 {
		return 0
	}
	return 100 * float64(n) / float64(max(n, f.Requests))
}

// Plus joins the figures of two members.
func (f CanaryFigures) Plus(o CanaryFigures) CanaryFigures {
	sum := CanaryFigures{
		Requests: f.Requests + o.Requests, ServerErrors: f.ServerErrors + o.ServerErrors, Errors: f.Errors + o.Errors,
		Responses: f.Responses + o.Responses,
	}
	if sum.Responses > 0 {
		sum.ResponseTimeMS = (f.ResponseTimeMS*float64(f.Responses) + o.ResponseTimeMS*float64(o.Responses)) / float64(sum.Responses)
	}
	return sum
}

// String gives "64 requests, 12.5% 5xx, 0% errors, 3 ms".
func (f CanaryFigures) String() string {
	if f.Requests == 1 {
		return "1 request, " + f.rates()
	}
	return fmt.Sprintf("%d requests, %s", f.Requests, f.rates())
}

func (f CanaryFigures) rates() string {
	round := func(n float64) string { return strconv.FormatFloat(math.Round(100*n)/100, 'f', -1, 64) }
	return fmt.Sprintf("%s%% 5xx, %s%% errors, %s ms", round(f.Percent(f.ServerErrors)), round(f.Percent(f.Errors)), round(f.ResponseTimeMS))
}
