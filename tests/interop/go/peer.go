// peer speaks to a Pub/Sub server with Google's own Go client, and can be one: Google's fake, pstest. The server is the one that PUBSUB_EMULATOR_HOST names.
// Each subcommand prints one JSON object as the last line of its stdout. Numbered messages begin with their number, so that what is missing or came twice can be told.
//
//	peer topic     -topic T
//	peer sub       -topic T -sub S [-ack-deadline 10s] [-dead-letter T -attempts 5] [-retry-min 0s -retry-max 10s] [-ordered] [-exactly-once] [-filter F] [-retain]
//	peer publish   -topic T -n 100 -size 400 [-keys 10] | -lines FILE     what is answered is appended to -acked as "number id"
//	peer receive   -sub S [-n 100 | -idle 2s [-least 100]] [-do ack|nack|nack-once|none] [-save FILE] [-log FILE]
//	peer pull      -sub S [-max 100] [-ack] [-deadline 30] [-again]
//	peer seek      -sub S -ago 10s | -snapshot X | -make-snapshot X | -detach
//	peer settings  -topic T -sub S                what is kept of what a new topic and subscription are told
//	peer refused   -topic T -sub S                the codes that wrong requests are answered with
//	peer ping      -sub S [-pings 3 -every 1s]
//	peer latency   -topic T -sub S -lines FILE -rate 100 [-key game_date]
//	peer pstest    serves until its stdin ends; prints {"listening": ADDRESS} first
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cloud.google.com/go/pubsub"
	vkit "cloud.google.com/go/pubsub/apiv1"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
)

var commands = map[string]func(ctx context.Context, words []string) (result, error){
	"topic": createTopic, "sub": createSub, "publish": publish, "receive": receive, "pull": pull, "ping": ping, "seek": seek, "latency": latency, "pstest": serveFake,
	"settings": settings, "refused": refused,
}

// What a subcommand prints.
type result map[string]interface{}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peer topic|sub|publish|receive|pull|ping|seek|settings|refused|latency|pstest FLAGS")
		os.Exit(2)
	}
	start := time.Now()
	out, err := commands[os.Args[1]](context.Background(), os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "peer %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	out["seconds"], out["cpu_s"] = time.Since(start).Seconds(), cpuSeconds()
	line, _ := json.Marshal(out)
	fmt.Println(string(line))
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// Flags that most subcommands have.
type common struct {
	*flag.FlagSet
	project, topic, sub *string
}

func newFlags(name string) common {
	set := flag.NewFlagSet(name, flag.ExitOnError)
	return common{set, set.String("project", "interop", "project"), set.String("topic", "", "topic"), set.String("sub", "", "subscription")}
}

func (c common) topicName(id string) string { return "projects/" + *c.project + "/topics/" + id }
func (c common) subName() string            { return "projects/" + *c.project + "/subscriptions/" + *c.sub }

func (c common) client(ctx context.Context) (*pubsub.Client, error) {
	return pubsub.NewClient(ctx, *c.project)
}

// The generated clients below the official one, for what the old official one has no field for.
func raw() (*vkit.PublisherClient, *vkit.SubscriberClient, error) {
	conn, err := grpc.Dial(os.Getenv("PUBSUB_EMULATOR_HOST"), grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(20<<20)))
	if err != nil {
		return nil, nil, err
	}
	pub, err := vkit.NewPublisherClient(context.Background(), option.WithGRPCConn(conn))
	if err != nil {
		return nil, nil, err
	}
	sub, err := vkit.NewSubscriberClient(context.Background(), option.WithGRPCConn(conn))
	return pub, sub, err
}

// The body of message `number`: its number, and filler up to `size` bytes.
func numbered(number, size int) []byte {
	head := fmt.Sprintf("%09d ", number)
	if size <= len(head) {
		return []byte(head)
	}
	return append([]byte(head), strings.Repeat("x", size-len(head))...)
}

// The number a body begins with, -1 without.
func numberOf(data []byte) int {
	if len(data) < 10 || data[9] != ' ' {
		return -1
	}
	number, err := strconv.Atoi(string(data[:9]))
	if err != nil {
		return -1
	}
	return number
}
