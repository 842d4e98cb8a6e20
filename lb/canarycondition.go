package lb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A CanaryMetric is what a condition is about.
type CanaryMetric string

// The metrics, all of the new version's members in the present step.
const (
	CanaryServerErrors CanaryMetric = "5xx"    // responses of that class, percent of the requests
	CanaryErrors       CanaryMetric = "errors" // requests without a complete response, percent of all
	CanaryResponseTime CanaryMetric = "rtime"  // mean time to the head of a response
)

// A CanaryCondition aborts a deploy when its metric exceeds its limit.
type CanaryCondition struct {
	Metric CanaryMetric
	// Percent is the limit of CanaryServerErrors and CanaryErrors, Time that of
	// CanaryResponseTime.
	Percent float64
	Time    time.Duration
}

// ParseCanaryConditions reads conditions joined by commas: "5xx>1%",
// "errors>0.5%", "rtime>500ms". An empty text is no condition.
func ParseCanaryConditions(s string) ([]CanaryCondition, error) {
	var list []CanaryCondition
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		c, err := parseCondition(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(o CanaryCondition) bool { return o.Metric == c.Metric }) {
			return nil, fmt.Errorf("%q: there already is a condition on %s", part, c.Metric)
		}
		list = append(list, c)
	}
	return list, nil
}

func parseCondition(s string) (CanaryCondition, error) {
	const expected = "expected 5xx>P%, errors>P% or rtime>TIME"
	metric, limit, ok := strings.Cut(s, ">")
	if !ok {
		return CanaryCondition{}, fmt.Errorf("%q is not a condition, %s", s, expected)
	}
	c := CanaryCondition{Metric: CanaryMetric(metric)}
	switch c.Metric {
	case CanaryServerErrors, CanaryErrors:
		number, percent := strings.CutSuffix(limit, "%")
		var err error
		c.Percent, err = strconv.ParseFloat(number, 64)
		if err != nil || !percent || !(c.Percent >= 0 && c.Percent < 100) {
			return c, fmt.Errorf("%q: %q is not a limit, expected a percentage from 0%% to below 100%%", s, limit)
		}
	case CanaryResponseTime:
		var err error
		if c.Time, err = time.ParseDuration(limit); err != nil || c.Time <= 0 {
			return c, fmt.Errorf("%q: %q is not a limit, expected a time, e.g. 500ms", s, limit)
		}
	default:
		return c, fmt.Errorf("%q: %q is not a metric, %s", s, metric, expected)
	}
	return c, nil
}

// String gives the form of ParseCanaryConditions.
func (c CanaryCondition) String() string {
	if c.Metric == CanaryResponseTime {
		return string(c.Metric) + ">" + c.Time.String()
	}
	return string(c.Metric) + ">" + strconv.FormatFloat(c.Percent, 'f', -1, 64) + "%"
}

// Holds reports whether the figures exceed the limit.
func (c CanaryCondition) Holds(f CanaryFigures) bool {
	switch c.Metric {
	case CanaryServerErrors:
		return f.Percent(f.ServerErrors) > c.Percent
	case CanaryErrors:
		return f.Percent(f.Errors) > c.Percent
	default:
		return f.ResponseTimeMS > float64(c.Time)/float64(time.Millisecond)
	}
}

// FormatCanaryConditions gives the form of ParseCanaryConditions.
func FormatCanaryConditions(list []CanaryCondition) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = c.String()
	}
	return strings.Join(parts, ",")
}
