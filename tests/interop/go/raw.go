package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	vkit "cloud.google.com/go/pubsub/apiv1"
	"cloud.google.com/go/pubsub/pstest"
	"github.com/golang/protobuf/proto"
	pb "google.golang.org/genproto/googleapis/pubsub/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

const protocolVersionField = 10 // of StreamingPullRequest; this genproto is older than it

// One unary Pull: what the server gives now.
func pull(ctx context.Context, words []string) (result, error) {
	c := newFlags("pull")
	max := c.Int("max", 1000, "messages")
	ack := c.Bool("ack", false, "what was pulled")
	deadline := c.Int("deadline", -1, "seconds for a ModifyAckDeadline of what was pulled")
	again := c.Bool("again", false, "once what was pulled has been given back, pulls again and acks with the first ids: what the server says of them")
	_ = c.Parse(words)
	_, sub, err := raw()
	if err != nil {
		return nil, err
	}
	answer, err := sub.Pull(ctx, &pb.PullRequest{Subscription: c.subName(), MaxMessages: int32(*max), ReturnImmediately: true})
	if err != nil {
		return nil, err
	}
	ids, numbers, attempts := []string{}, []int{}, []int{}
	for _, m := range answer.ReceivedMessages {
		ids = append(ids, m.AckId)
		numbers = append(numbers, numberOf(m.Message.Data))
		attempts = append(attempts, int(m.DeliveryAttempt))
	}
	if *deadline >= 0 && len(ids) > 0 {
		err = sub.ModifyAckDeadline(ctx, &pb.ModifyAckDeadlineRequest{Subscription: c.subName(), AckIds: ids, AckDeadlineSeconds: int32(*deadline)})
	}
	if *ack && len(ids) > 0 && err == nil {
		err = sub.Acknowledge(ctx, &pb.AcknowledgeRequest{Subscription: c.subName(), AckIds: ids})
	}
	out := result{"received": len(ids), "numbers": numbers, "attempts": attempts}
	if *again && err == nil {
		err = staleAck(ctx, sub, c.subName(), ids, out)
	}
	return out, err
}

// Acks with ids that are not the newest any more: what the answer is made of.
func staleAck(ctx context.Context, sub *vkit.SubscriberClient, name string, ids []string, out result) error {
	err := sub.ModifyAckDeadline(ctx, &pb.ModifyAckDeadlineRequest{Subscription: name, AckIds: ids, AckDeadlineSeconds: 0})
	if err != nil {
		return err
	}
	answer, err := sub.Pull(ctx, &pb.PullRequest{Subscription: name, MaxMessages: 1000})
	if err != nil {
		return err
	}
	var newest []string
	for _, m := range answer.ReceivedMessages {
		newest = append(newest, m.AckId)
	}
	refused := status.Convert(sub.Acknowledge(ctx, &pb.AcknowledgeRequest{Subscription: name, AckIds: append(ids[:1:1], newest...)}))
	out["again"], out["code"], out["message"] = len(newest), refused.Code().String(), refused.Message()
	for _, detail := range refused.Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is {
			out["reason"], out["domain"], out["ids"], out["why"] = info.Reason, info.Domain, len(info.Metadata), info.Metadata[ids[0]]
		}
	}
	return nil
}

// A stream of its own that says it understands heartbeats, and how many of its pings are answered.
func ping(ctx context.Context, words []string) (result, error) {
	c := newFlags("ping")
	pings := c.Int("pings", 3, "")
	every := c.Duration("every", time.Second, "")
	_ = c.Parse(words)
	_, sub, err := raw()
	if err != nil {
		return nil, err
	}
	stream, err := sub.StreamingPull(ctx)
	if err != nil {
		return nil, err
	}
	opening := &pb.StreamingPullRequest{Subscription: c.subName(), StreamAckDeadlineSeconds: 60, ClientId: "interop-ping"}
	opening.XXX_unrecognized = append(proto.EncodeVarint(protocolVersionField<<3), 1)
	if err := stream.Send(opening); err != nil {
		return nil, err
	}
	answers := make(chan int, 1000)
	go func() {
		for {
			answer, err := stream.Recv()
			if err != nil {
				close(answers)
				return
			}
			answers <- len(answer.ReceivedMessages)
		}
	}()
	answered, worst, open := 0, 0.0, true
	for i := 0; i < *pings && open; i++ {
		for len(answers) > 0 {
			<-answers
		}
		sent := time.Now()
		if err := stream.Send(&pb.StreamingPullRequest{}); err != nil {
			break
		}
		select {
		case _, open = <-answers:
			if ms := time.Since(sent).Seconds() * 1e3; open {
				answered++
				if ms > worst {
					worst = ms
				}
			}
		case <-time.After(20 * *every): // late, on a machine that is slow, is no silence
		}
		time.Sleep(time.Until(sent.Add(*every)))
	}
	return result{"pings": *pings, "answered": answered, "worst_ms": worst, "open": open}, nil
}

func serveFake(context.Context, []string) (result, error) {
	server := pstest.NewServer()
	fmt.Printf("{\"listening\":%q}\n", server.Addr)
	_, _ = bufio.NewReader(os.Stdin).ReadString(0)
	return result{"messages": len(server.Messages())}, nil
}
