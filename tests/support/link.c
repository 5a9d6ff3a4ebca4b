/* link.c - an empty program, linked with one whole library and what that library says it uses: proof of the layers' direction. */
int main(void)
{
    return 0;
}
