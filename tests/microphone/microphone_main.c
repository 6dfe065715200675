// SPDX-License-Identifier: MIT
/* The daemon's own listening, daemon/microphone/microphone_hub.c and what it is made of, with fakes
 * of what has threads: see fakes.h. */
#include <CUnit/Basic.h>

void add_microphone_hub_tests(void);
void add_microphone_thread_tests(void);
void add_shared_recognition_tests(void);
void add_conversation_tests(void);

int main(void)
{
    CU_initialize_registry();
    add_microphone_hub_tests();
    add_microphone_thread_tests();
    add_shared_recognition_tests();
    add_conversation_tests();
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failed > 0 ? 1 : 0;
}
