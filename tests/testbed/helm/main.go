// bed-helm renders charts as `helm template` and `helm install` do, many in one process: a test that renders a chart hundreds of times would
// otherwise start helm as often.
//
//	bed-helm CHART <cases.json >rendered.json
//
// The input is an array of cases, the output an array of what became of each, in the same order.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
)

// What a user gives to helm.
type testCase struct {
	Release     string         `json:"release"`
	Namespace   string         `json:"namespace"`
	KubeVersion string         `json:"kubeVersion"`
	APIVersions []string       `json:"apiVersions"`
	Values      map[string]any `json:"values"`
}

// What helm makes of it; the error is the whole sentence, and then there is nothing else.
type rendered struct {
	Manifest string `json:"manifest"`
	Hooks    string `json:"hooks"`
	Notes    string `json:"notes"`
	Error    string `json:"error"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bed-helm:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: bed-helm CHART <cases.json")
	}
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		return fmt.Errorf("the cases on standard input: %w", err)
	}
	results := make([]rendered, len(cases))
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		// Rendering writes into the chart that it renders: each worker has its own.
		loaded, err := loader.Load(os.Args[1])
		if err != nil {
			return err
		}
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := range numbers {
				results[number] = render(loaded, cases[number])
			}
		}()
	}
	for number := range cases {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	return json.NewEncoder(os.Stdout).Encode(results)
}

func render(loaded *chart.Chart, given testCase) rendered {
	version, err := chartutil.ParseKubeVersion(given.KubeVersion)
	if err != nil {
		return rendered{Error: err.Error()}
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ClientOnly = true
	install.DryRun = true
	install.Replace = true
	install.ReleaseName = given.Release
	install.Namespace = given.Namespace
	install.KubeVersion = version
	install.APIVersions = given.APIVersions
	release, err := install.Run(loaded, given.Values)
	if err != nil {
		return rendered{Error: err.Error()}
	}
	result := rendered{Manifest: release.Manifest, Notes: release.Info.Notes}
	for _, hook := range release.Hooks {
		result.Hooks += "---\n" + hook.Manifest + "\n"
	}
	return result
}
