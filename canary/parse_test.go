package canary_test

import (
	"slices"
	"testing"
	"time"

	"thalassa/canary"
)

func TestParseConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]canary.Condition{
		"":                               nil,
		" ":                              nil,
		"5xx>1%":                         {{Metric: canary.ServerErrors, Percent: 1}},
		"errors>0.5%, rtime > 500ms":     {{Metric: canary.Errors, Percent: 0.5}, {Metric: canary.ResponseTime, Time: 500 * time.Millisecond}},
		"rtime>1m0.5s,5xx>0%,errors>99%": {{Metric: canary.ResponseTime, Time: 60500 * time.Millisecond}, {Metric: canary.ServerErrors}, {Metric: canary.Errors, Percent: 99}},
	} {
		got, err := canary.ParseConditions(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
		for _, c := range got {
			if again, err := canary.ParseConditions(c.String()); err != nil || !slices.Equal(again, []canary.Condition{c}) {
				t.Errorf("%v is written as %q: %v, %v", c, c, again, err)
			}
		}
	}
	for _, text := range []string{
		",", "5xx", "5xx>", "5xx>1", "5xx>x%", "5xx>-1%", "5xx>100%", "5xx>NaN%", "5xx>Inf%", "5xx>1%,", "5xx>1%,5xx>2%", "4xx>1%", "5xx<1%",
		"rtime>500", "rtime>0s", "rtime>-1s", "rtime>1%", "errors>1ms", ">1%",
	} {
		if got, err := canary.ParseConditions(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestParseSteps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{"100": {100}, "5,25,50,100": {5, 25, 50, 100}, "1%, 100%": {1, 100}} {
		if got, err := canary.ParseSteps(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "5,25", "0,100", "-5,100", "25,5,100", "5,5,100", "5,101", "5,,100", "a,100", "5.5,100", "100,100", "5;100"} {
		if got, err := canary.ParseSteps(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
