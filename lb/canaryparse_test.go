package lb_test

import (
	"slices"
	"testing"
	"time"

	"thalassa/lb"
)

func TestParseCanaryConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]lb.CanaryCondition{
		"":                               nil,
		" ":                              nil,
		"5xx>1%":                         {{Metric: lb.CanaryServerErrors, Percent: 1}},
		"errors>0.5%, rtime > 500ms":     {{Metric: lb.CanaryErrors, Percent: 0.5}, {Metric: lb.CanaryResponseTime, Time: 500 * time.Millisecond}},
		"rtime>1m0.5s,5xx>0%,errors>99%": {{Metric: lb.CanaryResponseTime, Time: 60500 * time.Millisecond}, {Metric: lb.CanaryServerErrors}, {Metric: lb.CanaryErrors, Percent: 99}},
	} {
		got, err := lb.ParseCanaryConditions(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
		for _, c := range got {
			if again, err := lb.ParseCanaryConditions(c.String()); err != nil || !slices.Equal(again, []lb.CanaryCondition{c}) {
				t.Errorf("%v is written as %q: %v, %v", c, c, again, err)
			}
		}
	}
	for _, text := range []string{
		",", "5xx", "5xx>", "5xx>1", "5xx>x%", "5xx>-1%", "5xx>100%", "5xx>NaN%", "5xx>Inf%", "5xx>1%,", "5xx>1%,5xx>2%", "4xx>1%", "5xx<1%",
		"rtime>500", "rtime>0s", "rtime>-1s", "rtime>1%", "errors>1ms", ">1%",
	} {
		if got, err := lb.ParseCanaryConditions(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestParseCanarySteps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{"100": {100}, "5,25,50,100": {5, 25, 50, 100}, "1%, 100%": {1, 100}} {
		if got, err := lb.ParseCanarySteps(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "5,25", "0,100", "-5,100", "25,5,100", "5,5,100", "5,101", "5,,100", "a,100", "5.5,100", "100,100", "5;100"} {
		if got, err := lb.ParseCanarySteps(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
