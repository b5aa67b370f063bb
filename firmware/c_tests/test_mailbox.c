/* Tests of common/mailbox.c, with both ends of it on one core. */
#include "h7_test.h"
#include "mailbox.h"

H7_TEST(closed_mailbox_takes_nothing)
{
    mailbox_close();
    H7_CHECK(!mailbox_send("lost"));
}

H7_TEST(lines_come_out_in_order)
{
    char line[MAILBOX_LINE_SIZE];

    mailbox_open();
    H7_CHECK(mailbox_send("one") && mailbox_send("two"));
    H7_CHECK(mailbox_receive(line));
    H7_CHECK_TEXT(line, "one");
    H7_CHECK(mailbox_receive(line));
    H7_CHECK_TEXT(line, "two");
    H7_CHECK(!mailbox_receive(line));
}

H7_TEST(full_mailbox_takes_nothing)
{
    mailbox_open();
    for (uint32_t i = 0; i < MAILBOX_LINES; ++i) {
        H7_CHECK(mailbox_send("line"));
    }
    H7_CHECK(!mailbox_send("one too many"));
    H7_CHECK_EQUAL(mailbox.written - mailbox.read, MAILBOX_LINES);
}
