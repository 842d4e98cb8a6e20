package canary

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Metric is what a condition is about.
type Metric string

// The metrics, all of the new version's members in the present step.
const (
	ServerErrors Metric = "5xx"    // responses of that class, percent of the requests
	Errors       Metric = "errors" // requests without a complete response, percent of all
	ResponseTime Metric = "rtime"  // mean time to the head of a response
)

// A Condition aborts a deploy when its metric exceeds its limit.
type Condition struct {
	Metric Metric
	// Percent is the limit of ServerErrors and Errors, Time that of ResponseTime.
	Percent float64
	Time    time.Duration
}

// ParseConditions reads conditions joined by commas: "5xx>1%",
// "errors>0.5%", "rtime>500ms". An empty text is no condition.
func ParseConditions(s string) ([]Condition, error) {
	var list []Condition
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		c, err := parseCondition(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(o Condition) bool { return o.Metric == c.Metric }) {
			return nil, fmt.Errorf("%q: there already is a condition on %s", part, c.Metric)
		}
		list = append(list, c)
	}
	return list, nil
}

func parseCondition(s string) (Condition, error) {
	const expected = "expected 5xx>P%, errors>P% or rtime>TIME"
	metric, limit, ok := strings.Cut(s, ">")
	if !ok {
		return Condition{}, fmt.Errorf("%q is not a condition, %s", s, expected)
	}
	c := Condition{Metric: Metric(metric)}
	switch c.Metric {
	case ServerErrors, Errors:
		number, percent := strings.CutSuffix(limit, "%")
		var err error
		c.Percent, err = strconv.ParseFloat(number, 64)
		if err != nil || !percent || !(c.Percent >= 0 && c.Percent < 100) {
			return c, fmt.Errorf("%q: %q is not a limit, expected a percentage from 0%% to below 100%%", s, limit)
		}
	case ResponseTime:
		var err error
		if c.Time, err = time.ParseDuration(limit); err != nil || c.Time <= 0 {
			return c, fmt.Errorf("%q: %q is not a limit, expected a time, e.g. 500ms", s, limit)
		}
	default:
		return c, fmt.Errorf("%q: %q is not a metric, %s", s, metric, expected)
	}
	return c, nil
}

// String gives the form of ParseConditions.
func (c Condition) String() string {
	if c.Metric == ResponseTime {
		return string(c.Metric) + ">" + c.Time.String()
	}
	return string(c.Metric) + ">" + strconv.FormatFloat(c.Percent, 'f', -1, 64) + "%"
}

// holds reports whether the figures exceed the limit.
func (c Condition) holds(f Figures) bool {
	switch c.Metric {
	case ServerErrors:
		return f.percent(f.ServerErrors) > c.Percent
	case Errors:
		return f.percent(f.Errors) > c.Percent
	default:
		return f.ResponseTimeMS > float64(c.Time)/float64(time.Millisecond)
	}
}

// ParseSteps reads the percentages of a rollout: whole, ascending, the last one 100.
func ParseSteps(s string) ([]int, error) {
	var steps []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(part), "%"))
		if err != nil || n < 1 || n > 100 || len(steps) > 0 && n <= steps[len(steps)-1] {
			return nil, fmt.Errorf("%q: %q is not a step, expected ascending percentages from 1 to 100, e.g. 5,25,50,100", s, part)
		}
		steps = append(steps, n)
	}
	if steps[len(steps)-1] != 100 {
		return nil, fmt.Errorf("%q does not end with 100, expected ascending percentages up to it, e.g. 5,25,50,100", s)
	}
	return steps, nil
}
